import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import '@mantine/spotlight/styles.css';
import './fonts.css';
import './tokens.css';
import './overrides.css';
import { type MantineColorSchemeManager, MantineProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, StrictMode, useState } from 'react';
import { Router } from 'wouter';
import { BASE } from '../lib/base.js';
import { storedScheme, storeScheme } from '../lib/preferences.js';
import { asProblem } from '../lib/problem.js';
import { SpeechProvider, useSpeech } from '../lib/texts.js';
import { useBrandColours } from './brand.js';
import { resolveVariables, theme } from './theme.js';

const schemes: MantineColorSchemeManager = {
  get: storedScheme,
  set: storeScheme,
  subscribe: () => undefined,
  unsubscribe: () => undefined,
  clear: () => storeScheme('auto'),
};

/** The nonce of this answer, which style elements must bear. */
function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';
}

// Where the library that keeps the page behind a dialog from scrolling looks for the nonce of its style element.
Object.assign(globalThis, { __webpack_nonce__: nonce() });

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        refetchOnWindowFocus: false,
        // What the hub refused is refused again; only what it could not answer is worth another try.
        retry: (failures, error) => failures < 2 && [0, 502, 503, 504].includes(asProblem(error).status),
      },
    },
  });
}

/** Everything that all pages stand on: look, language, dialogs, notices, the hub's answers, addresses below the base path. */
export function Provider({ children }: { readonly children: ReactNode }) {
  const [client] = useState(newQueryClient);
  return (
    <StrictMode>
      <SpeechProvider>
        <MantineProvider
          theme={theme}
          cssVariablesResolver={resolveVariables}
          colorSchemeManager={schemes}
          defaultColorScheme="auto"
          getStyleNonce={nonce}
        >
          <QueryClientProvider client={client}>
            <Dialogs>
              <Router base={BASE}>{children}</Router>
            </Dialogs>
          </QueryClientProvider>
        </MantineProvider>
      </SpeechProvider>
    </StrictMode>
  );
}

function Dialogs({ children }: { readonly children: ReactNode }) {
  const { t } = useSpeech();
  useBrandColours();
  return (
    <ModalsProvider labels={{ confirm: t('common.confirm'), cancel: t('common.cancel') }}>
      <Notifications position="bottom-right" autoClose={5000} limit={4} />
      {children}
    </ModalsProvider>
  );
}
