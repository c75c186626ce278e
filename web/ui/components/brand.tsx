/** The hub's mark: goods that come in, are kept, and go out. */
export function Mark({ size = 26 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" role="img" aria-label="Entrepot">
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <g fill="none" stroke="var(--on-accent)" strokeWidth="3.2" strokeLinecap="square">
        <path d="M9.5 9h12M9.5 23h12M9.5 16h13" />
        <path d="m19.5 12 4 4-4 4" />
      </g>
    </svg>
  );
}
