/** A text with `{places}` to fill, or its singular and plural, chosen by `{count}`. */
export type Text = string | { readonly one: string; readonly other: string };
