import { IconRefresh } from '@tabler/icons-react';
import type { Finding } from '../../api-types.js';
import { Button, Loaded, Page, Section, Status, type Tone } from '../../components/index.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './system.module.css';

const TONES: Readonly<Record<Finding['result'], Tone>> = { ok: 'ok', warn: 'warn', fail: 'bad' };
const ORDER = ['fail', 'warn', 'ok'] as const;

/** What `entrepot doctor` finds: what is wrong first. */
export function DoctorPage() {
  const { t } = useSpeech();
  const query = useThing<{ readonly items: readonly Finding[] }>('/doctor');
  return (
    <Page
      title={t('doctor.title')}
      lead={t('doctor.lead')}
      actions={
        <Button
          variant="default"
          leftSection={<IconRefresh size={16} aria-hidden />}
          loading={query.isFetching}
          onClick={() => void query.refetch()}
        >
          {t('doctor.again')}
        </Button>
      }
      narrow
    >
      <Loaded query={query}>
        {({ items }) =>
          ORDER.map(result => {
            const found = items.filter(item => item.result === result);
            return (
              found.length > 0 && (
                <Section key={result} title={t(`doctor.${result}`, { count: found.length })}>
                  <ul className={classes.list}>
                    {found.map(({ check, detail }) => (
                      <li key={check + detail}>
                        <Status tone={TONES[result]}>{check}</Status>
                        <p className={classes.soft} dir="auto">
                          {detail}
                        </p>
                      </li>
                    ))}
                  </ul>
                </Section>
              )
            );
          })
        }
      </Loaded>
    </Page>
  );
}
