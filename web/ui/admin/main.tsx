import { createRoot } from 'react-dom/client';
import { Route, Router, Switch } from 'wouter';
import { Gate, Provider } from '../components/index.js';
import { SessionProvider } from '../lib/session.js';
import { AdminFrame } from './frame.js';
import { SetupPage } from './setup.js';

createRoot(document.getElementById('root')!).render(
  <Provider>
    <Switch>
      <Route path="/setup">
        <Router base="/admin">
          <SetupPage />
        </Router>
      </Route>
      <Route path="/admin/*?">
        <Router base="/admin">
          <SessionProvider scope="admin">
            <Gate scope="admin">
              <AdminFrame />
            </Gate>
          </SessionProvider>
        </Router>
      </Route>
    </Switch>
  </Provider>,
);
