import { Box, Button } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { createContext, Fragment, type ReactNode, useContext, useEffect, useState } from 'react';
import { asProblem } from '../lib/problem.js';
import type { Answer } from '../lib/request.js';
import { useSpeech } from '../lib/texts.js';
import { Note } from './states.js';

interface Following {
  readonly touched: (isTouched: boolean) => void;
  readonly saved: () => void;
  readonly refused: (error: unknown) => void;
  /** Gives up what was changed for a newer state, where there is one. */
  readonly load?: (() => void) | undefined;
}

const nothing = () => undefined;
const FollowingContext = createContext<Following>({ touched: nothing, saved: nothing, refused: nothing });

/**
 * What changes a record. It begins anew with each newer state of the record, unless something was changed in it: then it stays as it is, with
 * the version that it began with, and the newer state is loaded when the reader says so. Shows nothing before the record is there.
 */
export function Followed<T>({
  query,
  children,
}: {
  readonly query: UseQueryResult<Answer<T>>;
  readonly children: (answer: Answer<T>) => ReactNode;
}) {
  const { t } = useSpeech();
  const [held, setHeld] = useState(query.data);
  const [isTouched, setTouched] = useState(false);
  const [wasRefused, setRefused] = useState(false);
  const latest = query.data;
  const isNewer = latest?.etag !== held?.etag;
  if (isNewer && !isTouched) setHeld(latest);
  const load = () => {
    setTouched(false);
    setRefused(false);
  };
  const following: Following = {
    touched: setTouched,
    saved: () => setTouched(false),
    refused: error => {
      if (asProblem(error).status !== 412) return;
      setRefused(true);
      // What there is now is not known yet.
      void query.refetch();
    },
    load: isNewer && isTouched ? load : undefined,
  };
  const shown = isNewer ? held : latest;
  if (!shown) return null;
  return (
    <FollowingContext value={following}>
      {isNewer && isTouched && !wasRefused && (
        <Box mb="md">
          <Note tone="warn" title={t('form.newer')} action={<LoadNewer />}>
            {t('form.newer.text')}
          </Note>
        </Box>
      )}
      <Fragment key={shown.etag}>{children(shown)}</Fragment>
    </FollowingContext>
  );
}

/** A button that loads the newer state; stands with what says that there is one. */
export function LoadNewer() {
  const { t } = useSpeech();
  const { load } = useContext(FollowingContext);
  if (!load) return null;
  return (
    <Button variant="default" size="xs" onClick={load}>
      {t('form.newer.load')}
    </Button>
  );
}

/** Tells of what changes a record whether it was touched. Gives whom to tell that it was saved, or what was thrown instead. */
export function useFollowing(isTouched: boolean): Pick<Following, 'saved' | 'refused'> {
  const following = useContext(FollowingContext);
  const { touched } = following;
  useEffect(() => touched(isTouched), [touched, isTouched]);
  return following;
}
