import { useSpeech } from '../lib/texts.js';
import classes from './strength.module.css';

const NAMES = ['weak', 'fair', 'good', 'strong'] as const;

/** How hard a password is to guess, roughly: by its length and by how many different signs it has. */
export function Strength({ password, min }: { readonly password: string; readonly min: number }) {
  const { t } = useSpeech();
  const level = strengthOf(password, min);
  if (password === '') return null;
  return (
    <div className={classes.strength} data-level={level}>
      <span className={classes.bars} aria-hidden>
        {NAMES.map((name, index) => (
          <span key={name} data-on={index <= level || undefined} />
        ))}
      </span>
      <span role="status">{t('setup.strength.label', { strength: t(`setup.strength.${NAMES[level]!}`) })}</span>
    </div>
  );
}

function strengthOf(password: string, min: number): 0 | 1 | 2 | 3 {
  const signs = [...password];
  const different = new Set(signs).size;
  if (signs.length < min || different < 5) return 0;
  if (signs.length >= 20 && different >= 10) return 3;
  return signs.length >= 16 && different >= 8 ? 2 : 1;
}
