import type { Command } from 'commander';
import type { HostKeyInfo } from '../protocol.js';
import { withHub } from './connection.js';
import type { CliContext } from './context.js';
import { surroundings, withExamples } from './group.js';

/** Adds `entrepot hostkey …`. */
export function addHostKeyCommands(program: Command, context: CliContext): void {
  const group = program.command('hostkey').description('See and change the keys by which clients know this hub');
  const line = ({ kind, fingerprint, publicKey }: HostKeyInfo) =>
    `${kind} ${fingerprint}\nFor known_hosts, after the name of the host: ${publicKey}`;

  withExamples(group.command('list').description('List host keys: offered, next and old ones'), [['All of them', 'hostkey list']]).action(
    async (_options, self: Command) => {
      const { global, output } = surroundings(self, context);
      output.result(await withHub(context, global, hub => hub.call('hostkeys.list', {})), rows =>
        output.table(
          rows,
          [
            { head: 'KIND', value: key => key.kind },
            { head: 'STATE', value: key => key.state },
            { head: 'FINGERPRINT', value: key => key.fingerprint },
          ],
          'There are no host keys yet; `entrepot start` makes them.',
        ),
      );
    },
  );

  withExamples(
    group.command('add <kind>').description('Make the next key: ed25519, ecdsa or rsa; clients are told it before it is offered'),
    [['For the next rotation', 'hostkey add ed25519']],
  ).action(async (kind: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(await withHub(context, global, hub => hub.call('hostkeys.add', { kind })), key => `Made the next key: ${line(key)}`);
  });

  withExamples(group.command('rotate <kind>').description('Offer the next key, made when there is none; the one before is kept as old'), [
    ['To the key that was added', 'hostkey rotate ed25519'],
  ]).action(async (kind: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(
      await withHub(context, global, hub => hub.call('hostkeys.rotate', { kind })),
      key => `Offered to new clients: ${line(key)}`,
    );
  });

  withExamples(group.command('remove <fingerprint>').description('Forget a next or an old key'), [
    ['After a rotation', 'hostkey remove SHA256:EjZ2…'],
  ]).action(async (fingerprint: string, _options, self: Command) => {
    const { global, output } = surroundings(self, context);
    output.result(
      await withHub(context, global, hub => hub.call('hostkeys.remove', { fingerprint })),
      key => `Removed the ${key.state} ${key.kind} key ${key.fingerprint}`,
    );
  });
}
