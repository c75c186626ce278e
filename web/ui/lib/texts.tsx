import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { type Catalogue, catalogues, type Key } from '../texts/index.js';
import { Formats } from './format.js';
import { type Language, storedLanguage, storeLanguage } from './preferences.js';

/** What fills the `{places}` of a text; `count` also chooses between its singular and plural. */
export type Values = Readonly<Record<string, string | number>>;

/** Gives a text of the catalogue in the reader's language. */
export type Translate = (key: Key, values?: Values) => string;

interface Speech {
  readonly t: Translate;
  readonly format: Formats;
  readonly language: Language;
  /** Speaks `language` from when its texts are there. Throws when they do not come; then nothing has changed. */
  readonly choose: (language: Language) => Promise<void>;
}

interface Spoken {
  readonly language: Language;
  readonly catalogue: Catalogue;
}

const SpeechContext = createContext<Speech | undefined>(undefined);

/** Asked for at once: whoever loads this needs them. */
const first = spoken(storedLanguage());
first.catch(() => undefined);

/** A translator into `language`. */
export function translator({ language, catalogue }: Spoken): Translate {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  return (key, values = {}) => {
    const text = catalogue[key];
    const count = Number(values.count ?? 0);
    const chosen = typeof text === 'string' ? text : plural.select(count) === 'one' ? text.one : text.other;
    return chosen.replace(/\{(\w+)\}/g, (place, name: string) => {
      const value = values[name];
      return value === undefined ? place : typeof value === 'number' ? number.format(value) : value;
    });
  };
}

/** Lets everything below it speak the reader's language; shows nothing before the texts are there. */
export function SpeechProvider({ children }: { readonly children: ReactNode }) {
  const [now, setNow] = useState<Spoken>();
  useEffect(() => void first.then(setNow), []);
  const speech = useMemo<Speech | undefined>(
    () =>
      now && {
        t: translator(now),
        format: new Formats(now.language),
        language: now.language,
        choose: async language => {
          const next = await spoken(language);
          storeLanguage(language);
          setNow(next);
        },
      },
    [now],
  );
  return speech && <SpeechContext.Provider value={speech}>{children}</SpeechContext.Provider>;
}

/** The reader's language: texts, formats, and the way to change it. */
export function useSpeech(): Speech {
  const speech = useContext(SpeechContext);
  if (!speech) throw new Error('useSpeech() outside of SpeechProvider');
  return speech;
}

async function spoken(language: Language): Promise<Spoken> {
  return { language, catalogue: await catalogues[language]() };
}
