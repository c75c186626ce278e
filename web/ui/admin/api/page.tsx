import { IconChevronDown } from '@tabler/icons-react';
import { useState } from 'react';
import { Anchor, CodeBlock, Loaded, Page, SearchField, Section, Tag } from '../../components/index.js';
import { absolute } from '../../lib/base.js';
import { apiUrl } from '../../lib/request.js';
import { useThing } from '../../lib/resources.js';
import { useSpeech } from '../../lib/texts.js';
import classes from './api.module.css';
import { Fields, Named, nameOf, type Schema, type Shared, typeOf } from './schema.js';

interface Content {
  readonly [media: string]: { readonly schema?: Schema };
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security: readonly object[];
  readonly 'x-access': string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly description?: string;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

interface Document {
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Shared };
}

interface Row extends Operation {
  readonly method: string;
  readonly path: string;
}

/** Every operation of the HTTP API, out of the document that the hub gives of itself. */
export function ApiPage() {
  const { t } = useSpeech();
  const query = useThing<Document>('/openapi.json');
  const [wanted, setWanted] = useState('');
  return (
    <Page title={t('api.title')} lead={t('api.lead')} actions={<Anchor href={apiUrl('/openapi.json')}>openapi.json</Anchor>} narrow>
      <SearchField label={t('api.search')} value={wanted} onChange={setWanted} />
      <Loaded query={query} lines={8}>
        {document => <Operations document={document} wanted={wanted.trim().toLowerCase()} />}
      </Loaded>
    </Page>
  );
}

function Operations({ document, wanted }: { readonly document: Document; readonly wanted: string }) {
  const { t } = useSpeech();
  const rows = Object.entries(document.paths)
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]): Row => ({ ...operation, method, path })))
    .filter(row => `${row.method} ${row.path} ${row.operationId} ${row.summary}`.toLowerCase().includes(wanted));
  if (rows.length === 0) return <p className={classes.none}>{t('table.nothing')}</p>;
  return document.tags
    .map(({ name }) => ({ name, own: rows.filter(row => row.tags.includes(name)) }))
    .filter(({ own }) => own.length > 0)
    .map(({ name, own }) => (
      <Section key={name} title={<code>{name}</code>}>
        {own.map(row => (
          <OperationDetails key={row.operationId} row={row} shared={document.components.schemas} />
        ))}
      </Section>
    ));
}

function OperationDetails({ row, shared }: { readonly row: Row; readonly shared: Shared }) {
  const [open, setOpen] = useState(false);
  return (
    <details className={classes.operation} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        <code className={classes.method} data-method={row.method}>
          {row.method.toUpperCase()}
        </code>
        <code className={classes.path}>{row.path}</code>
        <IconChevronDown size={15} className={classes.chevron} aria-hidden />
        <span className={classes.summary}>{row.summary}</span>
      </summary>
      {open && <Whole row={row} shared={shared} />}
    </details>
  );
}

function Whole({ row, shared }: { readonly row: Row; readonly shared: Shared }) {
  const { t } = useSpeech();
  const body = schemaIn(row.requestBody?.content);
  const answers = Object.entries(row.responses).filter(([code]) => code.startsWith('2'));
  return (
    <div className={classes.whole}>
      <p>
        <code>{row.operationId}</code> · {t('api.access')} <Tag>{row['x-access']}</Tag>
      </p>
      {row.parameters.length > 0 && (
        <>
          <h3>{t('api.parameters')}</h3>
          <ul className={classes.fields}>
            {row.parameters.map(one => (
              <li key={`${one.in} ${one.name}`}>
                <code className={classes.name}>{one.name}</code> <code className={classes.type}>{typeOf(one.schema)}</code>{' '}
                <Tag>{one.in}</Tag> {one.required && <Tag>{t('api.required')}</Tag>}
                {one.description && <p>{one.description}</p>}
              </li>
            ))}
          </ul>
        </>
      )}
      {body && (
        <>
          <h3>{t('api.body')}</h3>
          <Fields schema={body} shared={shared} />
        </>
      )}
      {answers.map(([code, { content }]) => (
        <Success key={code} code={code} content={content} shared={shared} />
      ))}
      <CodeBlock code={exampleOf(row)} label={t('api.example')} wrap />
    </div>
  );
}

function Success({ code, content, shared }: { readonly code: string; readonly content: Content | undefined; readonly shared: Shared }) {
  const { t } = useSpeech();
  const schema = schemaIn(content);
  const [media] = Object.keys(content ?? {});
  return (
    <>
      <h3>{t('api.answer', { code })}</h3>
      {schema?.$ref !== undefined ? (
        <Named name={nameOf(schema.$ref)} shared={shared} />
      ) : (
        <div>{schema ? <Fields schema={schema} shared={shared} /> : media ? <code>{media}</code> : t('api.answer.none')}</div>
      )}
    </>
  );
}

function schemaIn(content: Content | undefined): Schema | undefined {
  return Object.values(content ?? {})[0]?.schema;
}

/** What a program would send, with a key in the environment. */
function exampleOf({ method, path, security, requestBody }: Row): string {
  const [media] = Object.keys(requestBody?.content ?? {});
  return [
    `curl -X ${method.toUpperCase()} '${absolute(`/api/v1${path}`)}'`,
    ...(security.length > 0 ? [`-H "Authorization: Bearer $KEY"`] : []),
    ...(media === undefined ? [] : [`-H 'Content-Type: ${media}'`, media === 'application/json' ? "-d '{ … }'" : '--data-binary @FILE']),
  ].join(' \\\n  ');
}
