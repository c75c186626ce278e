import { createRoot } from 'react-dom/client';
import { Gate, Provider, Shell } from '../components/index.js';
import { MissingPage } from '../components/missing.js';
import { SessionProvider } from '../lib/session.js';

createRoot(document.getElementById('root')!).render(
  <Provider>
    <SessionProvider scope="user">
      <Gate scope="user">
        <Shell name="Entrepot" navigation={[]}>
          <MissingPage />
        </Shell>
      </Gate>
    </SessionProvider>
  </Provider>,
);
