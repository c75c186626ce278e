import { createContext, type ReactNode, useContext, useMemo, useState } from 'react';
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
  readonly choose: (language: Language) => void;
}

const SpeechContext = createContext<Speech | undefined>(undefined);

/** A translator into `language`. */
export function translator(language: Language): Translate {
  const catalogue: Catalogue = catalogues[language];
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

/** Lets everything below it speak the reader's language. */
export function SpeechProvider({ children }: { readonly children: ReactNode }) {
  const [language, setLanguage] = useState(storedLanguage);
  const speech = useMemo<Speech>(
    () => ({
      t: translator(language),
      format: new Formats(language),
      language,
      choose: chosen => {
        storeLanguage(chosen);
        setLanguage(chosen);
      },
    }),
    [language],
  );
  return <SpeechContext.Provider value={speech}>{children}</SpeechContext.Provider>;
}

/** The reader's language: texts, formats, and the way to change it. */
export function useSpeech(): Speech {
  const speech = useContext(SpeechContext);
  if (!speech) throw new Error('useSpeech() outside of SpeechProvider');
  return speech;
}
