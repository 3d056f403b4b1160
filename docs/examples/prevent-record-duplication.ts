/*
 * Prevent record duplication (https://dcb.events/examples/prevent-record-duplication/).
 * A form that is sent twice places one order. The client makes a random token when it shows the form and sends it along; the
 * server chooses the order's id. One order for each token, and one for each id.
 */
import { decide, decisionModel, defineEvent, reject, tag, type EventStore } from 'opossum-store';
import { z } from 'zod';

export const OrderPlaced = defineEvent('OrderPlaced', z.object({ orderId: z.string(), idempotencyToken: z.string(), cents: z.int() }), {
  tags: ({ orderId, idempotencyToken }) => ({ order: orderId, idempotency: idempotencyToken }),
});

/** The order that was placed with this token, if any. */
export const orderPlacedWith = (idempotencyToken: string) =>
  decisionModel({
    events: [OrderPlaced],
    tags: [tag('idempotency', idempotencyToken)],
    initial: (): string | undefined => undefined,
    handlers: { OrderPlaced: (_, { data }) => data.orderId },
  });

export const orderExists = (orderId: string) =>
  decisionModel({ events: [OrderPlaced], tags: [tag('order', orderId)], initial: false, handlers: { OrderPlaced: () => true } });

export type PlaceOrder = { orderId: string; idempotencyToken: string; cents: number };

/** Says no to a repetition; `state.placedBefore` of the result is the order that it repeats, for an answer like the first one. */
export async function placeOrder(store: EventStore, command: PlaceOrder) {
  const models = { placedBefore: orderPlacedWith(command.idempotencyToken), exists: orderExists(command.orderId) };
  return decide(store, models, ({ placedBefore, exists }) => {
    if (placedBefore !== undefined) return reject('order was placed already');
    if (exists) return reject('order id is taken');
    return OrderPlaced(command);
  });
}

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  const place = async (orderId: string, idempotencyToken: string): Promise<void> => {
    const result = await placeOrder(store, { orderId, idempotencyToken, cents: 1999 });
    if (result.outcome === 'rejected') print(`${idempotencyToken}: ${result.rejected}, as ${result.state.placedBefore}`);
    else print(`${idempotencyToken}: placed as ${orderId}`);
  };
  await place('o1', 'form-1');
  await place('o2', 'form-1');
  await place('o3', 'form-2');
}
