import { Spotlight, type SpotlightActionData, type SpotlightActionGroupData, spotlight } from '@mantine/spotlight';
import { IconSearch } from '@tabler/icons-react';
import { useSpeech } from '../lib/texts.js';

/** What the palette can go to or do. */
export type PaletteAction = SpotlightActionData;
/** Actions under a common name. */
export type PaletteGroup = SpotlightActionGroupData;

/** Opens the palette, which also Ctrl K and ⌘ K do. */
export const openPalette = spotlight.open;

/** Everything that can be gone to or done, by typing a few letters. `typed` hears what is searched for. */
export function Palette({ groups, typed }: { readonly groups: readonly PaletteGroup[]; readonly typed?: (text: string) => void }) {
  const { t } = useSpeech();
  return (
    <Spotlight
      actions={[...groups]}
      shortcut={['mod + K']}
      nothingFound={t('palette.nothing')}
      centered={false}
      overlayProps={{ backgroundOpacity: 0.35, blur: 0 }}
      limit={12}
      scrollable
      maxHeight={420}
      {...(typed && { onQueryChange: typed })}
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: t('palette.placeholder'),
        'aria-label': t('palette.placeholder'),
      }}
    />
  );
}
