import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import {
  ActionIcon,
  Button,
  Checkbox,
  Group,
  LoadNewer,
  Note,
  ProblemPanel,
  Section,
  Tag,
  TextInput,
  useFeedback,
  useFollowing,
} from '../../components/index.js';
import { effectiveRights } from '../../lib/effective-rights.js';
import { type Permissions, RIGHTS, type Right, type User } from '../../lib/model.js';
import { type Answer, request, segment } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';
import { useMay } from '../may.js';
import classes from './rights.module.css';

const GROUPS: readonly (readonly Right[])[] = [
  ['list', 'download'],
  ['upload', 'overwrite', 'create-directories', 'copy'],
  ['rename-files', 'rename-directories', 'delete-files', 'delete-directories'],
  ['create-links', 'chmod', 'chown', 'chtimes'],
];
const NAMES = ['read', 'write', 'change', 'attributes'] as const;

/** What a user may do in which directory, and what that comes to for any path. */
export function RightsTab({ answer: { data: user, etag } }: { readonly answer: Answer<User> }) {
  const { t } = useSpeech();
  const may = useMay();
  const queries = useQueryClient();
  const { done } = useFeedback();
  const [permissions, setPermissions] = useState<Permissions>(user.permissions);
  const [path, setPath] = useState('');
  const [problem, setProblem] = useState<unknown>();
  const paths = Object.keys(permissions).sort();
  const changed = JSON.stringify(permissions) !== JSON.stringify(user.permissions);
  const { saved, refused } = useFollowing(changed);
  const wanted = `/${path.trim().replace(/^\/+|\/+$/g, '')}`;
  const save = async () => {
    setProblem(undefined);
    const gone = Object.keys(user.permissions).filter(old => !(old in permissions));
    const body = { permissions: { ...permissions, ...Object.fromEntries(gone.map(old => [old, null])) } };
    try {
      await request('PATCH', `/users/${segment(user.username)}`, { body, etag });
      saved();
      done(t('common.saved'));
      await queries.invalidateQueries({ queryKey: ['/users'] });
    } catch (error) {
      refused(error);
      setProblem(error);
    }
  };
  return (
    <>
      <Section title={t('rights.title')} lead={t('rights.lead')}>
        {problem !== undefined && <ProblemPanel title={t('problem.saving')} error={problem} action={<LoadNewer />} />}
        {paths.map(one => (
          <Directory
            key={one}
            path={one}
            rights={permissions[one] ?? []}
            readOnly={!may('admin')}
            change={rights => setPermissions({ ...permissions, [one]: rights })}
            remove={
              one === '/' ? undefined : () => setPermissions(Object.fromEntries(Object.entries(permissions).filter(([key]) => key !== one)))
            }
          />
        ))}
        {may('admin') && (
          <>
            <form
              className={classes.add}
              onSubmit={event => {
                event.preventDefault();
                if (wanted === '/' || wanted in permissions) return;
                setPermissions({ ...permissions, [wanted]: effectiveRights(permissions, wanted).rights });
                setPath('');
              }}
            >
              <TextInput
                label={t('rights.add.path')}
                description={t('rights.add.help')}
                placeholder="/incoming"
                value={path}
                onChange={event => setPath(event.currentTarget.value)}
                flex={1}
              />
              <Button type="submit" variant="default" leftSection={<IconPlus size={15} aria-hidden />}>
                {t('rights.add')}
              </Button>
            </form>
            <Group mt="lg" gap="xs">
              <Button disabled={!changed} onClick={() => void save()}>
                {t('common.save')}
              </Button>
              {changed && (
                <Button variant="default" onClick={() => setPermissions(user.permissions)}>
                  {t('common.cancel')}
                </Button>
              )}
            </Group>
          </>
        )}
      </Section>
      <Section title={t('rights.effective')} lead={t('rights.effective.lead')}>
        <Effective permissions={permissions} />
      </Section>
    </>
  );
}

function Directory({
  path,
  rights,
  readOnly,
  change,
  remove,
}: {
  readonly path: string;
  readonly rights: readonly string[];
  readonly readOnly: boolean;
  readonly change: (rights: readonly string[]) => void;
  readonly remove: (() => void) | undefined;
}) {
  const { t } = useSpeech();
  const all = rights.includes('*');
  const has = (right: Right) => all || rights.includes(right);
  const set = (right: Right, on: boolean) => change(RIGHTS.filter(one => (one === right ? on : has(one))));
  return (
    <fieldset className={classes.directory} disabled={readOnly}>
      <legend>
        <code dir="auto">{path}</code>
      </legend>
      <div className={classes.presets}>
        <Button size="compact-xs" variant="default" onClick={() => change(['*'])}>
          {t('rights.preset.all')}
        </Button>
        <Button size="compact-xs" variant="default" onClick={() => change(['list', 'download'])}>
          {t('rights.preset.read')}
        </Button>
        <Button size="compact-xs" variant="default" onClick={() => change(['list', 'upload', 'create-directories'])}>
          {t('rights.preset.drop')}
        </Button>
        {remove && (
          <ActionIcon variant="subtle" color="gray" aria-label={t('rights.remove', { path })} onClick={remove}>
            <IconTrash size={16} aria-hidden />
          </ActionIcon>
        )}
      </div>
      <div className={classes.groups}>
        {GROUPS.map((group, index) => (
          <div key={NAMES[index]} className={classes.group}>
            <span className={classes.groupName}>{t(`rights.group.${NAMES[index]!}`)}</span>
            {group.map(right => (
              <Checkbox
                key={right}
                size="xs"
                label={t(`right.${right}`)}
                checked={has(right)}
                onChange={event => set(right, event.currentTarget.checked)}
              />
            ))}
          </div>
        ))}
      </div>
    </fieldset>
  );
}

function Effective({ permissions }: { readonly permissions: Permissions }) {
  const { t } = useSpeech();
  const [path, setPath] = useState('/');
  const { rights, from } = effectiveRights(permissions, path);
  const shown = rights.includes('*') ? RIGHTS : RIGHTS.filter(right => rights.includes(right));
  return (
    <div className={classes.effective}>
      <TextInput
        label={t('rights.effective.path')}
        value={path}
        onChange={event => setPath(event.currentTarget.value)}
        spellCheck={false}
      />
      <div role="status">
        {shown.length === 0 ? (
          <Note tone="warn">{t('rights.effective.none')}</Note>
        ) : (
          shown.map(right => <Tag key={right}>{t(`right.${right}`)}</Tag>)
        )}
        <p>{t('rights.effective.from', { path: from })}</p>
      </div>
    </div>
  );
}
