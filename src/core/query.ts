/** Selects events: all of them, or those that match at least one item. */
export type Query = 'all' | { items: readonly QueryItem[] };

/** Matches an event whose type is any of `types` and which carries all of `tags`; an absent list does not restrict. */
export type QueryItem = { types?: readonly string[]; tags?: readonly string[] };

type Classified = { readonly type: string; readonly tags: readonly string[] };

/** DCB's rule: items are OR, the types of an item are OR, its tags are AND. */
export function matchesQuery(query: Query, event: Classified): boolean {
  return query === 'all' || query.items.some((item) => matchesItem(item, event));
}

function matchesItem(item: QueryItem, event: Classified): boolean {
  return (
    (item.types === undefined || item.types.includes(event.type)) &&
    (item.tags === undefined || item.tags.every((tag) => event.tags.includes(tag)))
  );
}
