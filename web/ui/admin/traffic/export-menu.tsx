import { IconDownload } from '@tabler/icons-react';
import { Button, Menu } from '../../components/index.js';
import { apiUrl } from '../../lib/request.js';
import { useSpeech } from '../../lib/texts.js';

const FORMATS = ['csv', 'jsonl'] as const;

/** Downloads every event that the filters of the page let through. */
export function ExportMenu({ filter }: { readonly filter: object }) {
  const { t } = useSpeech();
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />}>
          {t('events.export')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {FORMATS.map(format => (
          <Menu.Item key={format} component="a" href={apiUrl('/events/export', { ...filter, format })} download={`events.${format}`}>
            {t(`events.export.${format}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
