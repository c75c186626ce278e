import { IconChevronRight, IconHome } from '@tabler/icons-react';
import { Link } from 'wouter';
import { useSpeech } from '../../lib/texts.js';
import classes from './breadcrumbs.module.css';
import { pageOf } from './paths.js';

/** Where the reader is, and the way back up. */
export function Breadcrumbs({ folder }: { readonly folder: string }) {
  const { t } = useSpeech();
  const segments = folder.split('/').filter(segment => segment !== '');
  return (
    <nav aria-label={t('files.path')} className={classes.path}>
      <h1 className={classes.here}>
        <Link href="/" aria-current={segments.length === 0 ? 'page' : undefined}>
          <IconHome size={17} aria-hidden />
          {t('nav.files')}
        </Link>
        {segments.map((segment, index) => {
          const path = `/${segments.slice(0, index + 1).join('/')}`;
          return (
            <span key={path}>
              <IconChevronRight size={15} aria-hidden />
              <Link href={pageOf(path)} aria-current={index === segments.length - 1 ? 'page' : undefined} dir="auto">
                {segment}
              </Link>
            </span>
          );
        })}
      </h1>
    </nav>
  );
}
