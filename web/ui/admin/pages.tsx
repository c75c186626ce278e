import { Route, Switch } from 'wouter';
import { MissingPage } from '../components/missing.js';

/** Which address leads to which page of administrators. */
export function AdminPages() {
  return (
    <Switch>
      <Route>
        <MissingPage />
      </Route>
    </Switch>
  );
}
