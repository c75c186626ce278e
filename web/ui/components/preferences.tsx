import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from '@mantine/core';
import { IconBrightnessHalf, IconCheck, IconDeviceDesktop, IconMoon, IconSun } from '@tabler/icons-react';
import { LANGUAGES, type Scheme } from '../lib/preferences.js';
import { useSpeech } from '../lib/texts.js';
import { useFeedback } from './feedback.js';

const SCHEMES: readonly { readonly value: Scheme; readonly icon: typeof IconSun }[] = [
  { value: 'auto', icon: IconDeviceDesktop },
  { value: 'light', icon: IconSun },
  { value: 'dark', icon: IconMoon },
];

/** Chooses the colour scheme and the language of this browser. */
export function PreferenceMenu() {
  const { t, language, choose } = useSpeech();
  const { attempt } = useFeedback();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Menu position="bottom-end" width={200} closeOnItemClick={false}>
      <Menu.Target>
        <Tooltip label={t('shell.appearance')}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t('shell.appearance')}>
            <IconBrightnessHalf size={18} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('shell.scheme')}</Menu.Label>
        {SCHEMES.map(({ value, icon: Icon }) => (
          <Choice key={value} chosen={colorScheme === value} icon={<Icon size={16} aria-hidden />} choose={() => setColorScheme(value)}>
            {t(`shell.scheme.${value}`)}
          </Choice>
        ))}
        <Menu.Divider />
        <Menu.Label>{t('shell.language')}</Menu.Label>
        {LANGUAGES.map(({ value, name }) => (
          <Choice
            key={value}
            chosen={language === value}
            choose={() => void attempt(t('problem.doing', { action: name }), () => choose(value))}
          >
            <span lang={value}>{name}</span>
          </Choice>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Choice({
  chosen,
  icon,
  choose,
  children,
}: {
  readonly chosen: boolean;
  readonly icon?: React.ReactNode;
  readonly choose: () => void;
  readonly children: React.ReactNode;
}) {
  return (
    <Menu.Item
      renderRoot={props => <button type="button" {...props} role="menuitemradio" aria-checked={chosen} />}
      leftSection={icon}
      rightSection={chosen ? <IconCheck size={15} aria-hidden /> : undefined}
      onClick={choose}
    >
      {children}
    </Menu.Item>
  );
}
