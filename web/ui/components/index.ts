/** What pages are built from. */
export { Mark } from './brand.js';
export { EndlessTable } from './endless-table.js';
export { Entrance } from './entrance.js';
export { type Feedback, useFeedback } from './feedback.js';
export { Fields, Form, type HubForm, useHubForm } from './form.js';
export { Gate } from './gate.js';
export { Lines } from './lines.js';
export { type Secret, useAdding } from './once.js';
export { Facts, Page, Section, useTitle } from './page.js';
export { openPalette, Palette, type PaletteAction, type PaletteGroup } from './palette.js';
export * from './primitives.js';
export { Provider } from './provider.js';
export { SearchField } from './search.js';
export { type NavigationGroup, Shell } from './shell.js';
export { Empty, Loaded, Note, Pending, ProblemPanel } from './states.js';
export { Status, Tag, Tags, type Tone } from './status.js';
export { type Column, DataTable, type Filter, type ListPage, type Selection, wholeList } from './table.js';
export { Bytes, CodeBlock, Copyable, CopyButton, Path, useNow, When } from './values.js';
