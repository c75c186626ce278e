import { Redirect, Route, Switch } from 'wouter';
import { MissingPage } from '../components/missing.js';
import { ApiPage } from './api/page.js';
import { ApiKeysPage } from './api-keys.js';
import { DeliveriesPage } from './delivery/deliveries.js';
import { DeliveryPage } from './delivery/delivery.js';
import { EditWebhookPage } from './delivery/edit-webhook.js';
import { ExtensionsPage } from './delivery/extensions.js';
import { HooksPage } from './delivery/hooks.js';
import { NewWebhookPage } from './delivery/new-webhook.js';
import { TargetsPage } from './delivery/targets.js';
import { WebhookPage } from './delivery/webhook.js';
import { WebhooksPage } from './delivery/webhooks.js';
import { HomePage } from './home.js';
import { AdminsPage } from './people.js';
import { ProfilePage } from './profile.js';
import { BansPage } from './system/bans.js';
import { DoctorPage } from './system/doctor.js';
import { NewStoragePage } from './system/new-storage.js';
import { StoragePage } from './system/storage.js';
import { StoragesPage } from './system/storages.js';
import { SystemPage } from './system/system.js';
import { ActivityPage } from './traffic/activity.js';
import { EventPage } from './traffic/event.js';
import { AuditPage, EventsPage } from './traffic/events.js';
import { UserPage } from './users/detail.js';
import { UsersPage } from './users/list.js';
import { NewUserPage } from './users/new.js';

/** Which address leads to which page of administrators. */
export function AdminPages() {
  return (
    <Switch>
      <Route path="/" component={HomePage} />
      <Route path="/login">
        <Redirect to="/" replace />
      </Route>
      <Route path="/users" component={UsersPage} />
      <Route path="/users/new" component={NewUserPage} />
      <Route path="/users/:name/:tab?" component={UserPage} />
      <Route path="/activity" component={ActivityPage} />
      <Route path="/events" component={EventsPage} />
      <Route path="/events/:id" component={EventPage} />
      <Route path="/webhooks" component={WebhooksPage} />
      <Route path="/webhooks/new" component={NewWebhookPage} />
      <Route path="/webhooks/:id" component={WebhookPage} />
      <Route path="/webhooks/:id/edit" component={EditWebhookPage} />
      <Route path="/targets" component={TargetsPage} />
      <Route path="/deliveries" component={DeliveriesPage} />
      <Route path="/deliveries/:id" component={DeliveryPage} />
      <Route path="/storages" component={StoragesPage} />
      <Route path="/storages/new" component={NewStoragePage} />
      <Route path="/storages/:name" component={StoragePage} />
      <Route path="/extensions" component={ExtensionsPage} />
      <Route path="/doctor" component={DoctorPage} />
      <Route path="/audit" component={AuditPage} />
      <Route path="/hooks" component={HooksPage} />
      <Route path="/admins" component={AdminsPage} />
      <Route path="/api" component={ApiPage} />
      <Route path="/api-keys" component={ApiKeysPage} />
      <Route path="/settings" component={SystemPage} />
      <Route path="/profile" component={ProfilePage} />
      <Route path="/bans" component={BansPage} />
      <Route>
        <MissingPage />
      </Route>
    </Switch>
  );
}
