/*
 * Dynamic product price (https://dcb.events/examples/dynamic-product-price/).
 * A customer pays the price that was shown. An order is accepted if each price in it is the product's price, or was until a short
 * while ago. An order may hold any number of products, so its boundary is as wide as the order: one model for each product in it.
 */
import { decide, decisionModel, defineEvent, reject, tag, type EventStore } from 'opossum-store';
import { z } from 'zod';

const cents = z.int().nonnegative();

export const ProductDefined = defineEvent('ProductDefined', z.object({ productId: z.string(), price: cents }), {
  tags: ({ productId }) => ({ product: productId }),
});
export const ProductPriceChanged = defineEvent('ProductPriceChanged', z.object({ productId: z.string(), newPrice: cents }), {
  tags: ({ productId }) => ({ product: productId }),
});
export const ProductsOrdered = defineEvent(
  'ProductsOrdered',
  z.object({ orderId: z.string(), items: z.array(z.object({ productId: z.string(), price: cents })).min(1) }),
  { tags: ({ orderId, items }) => ({ order: orderId, product: items.map(({ productId }) => productId) }) },
);

/** `now` in milliseconds since 1970: the time of what is decided, and of the events that come of it. */
export type Rules = { now: () => number; graceMs?: number };

export const tenMinutes = 10 * 60 * 1000;

/** A price, and when another took its place. */
type Price = { price: number; replacedAt?: number };

/** All prices that the product ever had, the current one last; none when there is no such product. */
export const pricesOf = (productId: string) =>
  decisionModel({
    events: [ProductDefined, ProductPriceChanged],
    tags: [tag('product', productId)],
    initial: (): Price[] => [],
    handlers: {
      ProductDefined: (_, { data }) => [{ price: data.price }],
      ProductPriceChanged: (prices, { data, timestamp }) => [
        ...prices.map((one) => (one.replacedAt === undefined ? { ...one, replacedAt: Date.parse(timestamp) } : one)),
        { price: data.newPrice },
      ],
    },
  });

const isValid = ({ replacedAt }: Price, time: number, graceMs = tenMinutes): boolean => replacedAt === undefined || time - replacedAt <= graceMs;
const at = (time: number): { timestamp: string } => ({ timestamp: new Date(time).toISOString() });

export type DefineProduct = { productId: string; price: number };
export type ChangeProductPrice = { productId: string; newPrice: number };
export type OrderProducts = { orderId: string; items: readonly { productId: string; displayedPrice: number }[] };

export async function defineProduct(store: EventStore, command: DefineProduct, { now }: Rules) {
  return decide(store, { prices: pricesOf(command.productId) }, ({ prices }) =>
    prices.length === 0 ? ProductDefined(command, at(now())) : reject('product exists already'),
  );
}

export async function changeProductPrice(store: EventStore, command: ChangeProductPrice, { now }: Rules) {
  return decide(store, { prices: pricesOf(command.productId) }, ({ prices }) => {
    const current = prices.at(-1);
    if (!current) return reject('no such product');
    if (current.price === command.newPrice) return reject('that is its price already');
    return ProductPriceChanged(command, at(now()));
  });
}

/** A price that changes while the customer hesitates is no conflict with other orders: orders do not look at each other. */
export async function orderProducts(store: EventStore, { orderId, items }: OrderProducts, { now, graceMs }: Rules) {
  const models = Object.fromEntries(items.map(({ productId }) => [productId, pricesOf(productId)]));
  return decide(store, models, (pricesByProduct) => {
    const time = now();
    for (const { productId, displayedPrice } of items) {
      const prices = pricesByProduct[productId] ?? [];
      if (prices.length === 0) return reject({ reason: 'no such product', productId });
      const isOffered = prices.some((one) => one.price === displayedPrice && isValid(one, time, graceMs));
      if (!isOffered) return reject({ reason: 'price is not valid', productId });
    }
    return ProductsOrdered({ orderId, items: items.map(({ productId, displayedPrice }) => ({ productId, price: displayedPrice })) }, at(time));
  });
}

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  let time = Date.parse('2026-01-31T12:00:00Z');
  const rules: Rules = { now: () => time };
  const order = async (orderId: string, prices: Record<string, number>): Promise<void> => {
    const items = Object.entries(prices).map(([productId, displayedPrice]) => ({ productId, displayedPrice }));
    const result = await orderProducts(store, { orderId, items }, rules);
    print(`${orderId}: ${result.outcome === 'rejected' ? `${result.rejected.reason} (${result.rejected.productId})` : 'ordered'}`);
  };
  await defineProduct(store, { productId: 'tent', price: 12_300 }, rules);
  await defineProduct(store, { productId: 'lamp', price: 2_100 }, rules);
  await order('o1', { tent: 12_300, lamp: 2_100 });
  time += tenMinutes;
  await changeProductPrice(store, { productId: 'tent', newPrice: 13_400 }, rules);
  print('the tent costs more now');
  await order('o2', { tent: 12_300, lamp: 2_100 });
  time += tenMinutes + 1;
  print('ten minutes later');
  await order('o3', { tent: 12_300, lamp: 2_100 });
  await order('o4', { tent: 13_400, lamp: 2_100 });
}
