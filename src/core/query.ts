/** Selects events: all of them, or those that match at least one item. */
export type Query = 'all' | { items: readonly QueryItem[] };

/** Matches an event whose type is any of `types` and which carries all of `tags`; an absent list does not restrict. */
export type QueryItem = { types?: readonly string[]; tags?: readonly string[] };

type Classified = { readonly type: string; readonly tags: readonly string[] };

/** DCB's rule: items are OR, the types of an item are OR, its tags are AND. */
export function matchesQuery(query: Query, event: Classified): boolean {
  if (query === 'all') return true;
  // Loops: each event of a decision comes here once for every model.
  for (const item of query.items) if (matchesItem(item, event)) return true;
  return false;
}

function matchesItem({ types, tags }: QueryItem, event: Classified): boolean {
  if (types !== undefined && !types.includes(event.type)) return false;
  for (const tag of tags ?? []) if (!event.tags.includes(tag)) return false;
  return true;
}
