import { TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import type { ComponentProps } from 'react';

/** A field that narrows what is shown: `label` is its name and stands in it while it is empty. Takes what any field takes beside. */
export function SearchField({
  label,
  value,
  onChange,
  ...others
}: { readonly label: string; readonly value: string; readonly onChange: (value: string) => void } & Pick<
  ComponentProps<typeof TextInput>,
  'className' | 'mb'
>) {
  return (
    <TextInput
      {...others}
      type="search"
      aria-label={label}
      placeholder={label}
      leftSection={<IconSearch size={16} aria-hidden />}
      value={value}
      onChange={event => onChange(event.currentTarget.value)}
    />
  );
}
