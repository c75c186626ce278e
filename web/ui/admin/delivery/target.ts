import type { Webhook } from '../../lib/model.js';

/** What a target is called: the host of a webhook, the file of a hook, or its own name. */
export function targetName(target: string, webhooks: readonly Webhook[]): string {
  const id = /^rule\/([^/]+)\//.exec(target)?.[1];
  const webhook = id === undefined ? undefined : webhooks.find(one => one.id === id);
  return webhook ? hostOf(webhook.url) : target.replace(/^handler\//, '').replace(/^rule\/hooks:(.+)\/\d+$/, '$1');
}

/** Host and path of a webhook, without what makes it long. */
export function hostOf(url: string): string {
  if (!URL.canParse(url)) return url;
  const { host, pathname } = new URL(url);
  return pathname === '/' ? host : `${host}${pathname}`;
}
