/*
 * Invoice number (https://dcb.events/examples/invoice-number/).
 * Invoices are numbered 1, 2, 3 and so on, without gaps and without doubles, whoever writes them. The number is no counter
 * somewhere: it is decided with the invoice, on the condition that no other invoice came in between.
 */
import { decide, decisionModel, defineEvent, isOpossumError, type EventStore } from 'opossum-store';
import { z } from 'zod';

export const InvoiceCreated = defineEvent('InvoiceCreated', z.object({ invoiceNumber: z.int().positive(), customer: z.string(), cents: z.int() }), {
  tags: ({ invoiceNumber }) => ({ invoice: invoiceNumber }),
});

/** Without tags: it concerns every invoice. */
export const nextInvoiceNumber = () =>
  decisionModel({ events: [InvoiceCreated], initial: 1, handlers: { InvoiceCreated: (_, { data }) => data.invoiceNumber + 1 } });

export type CreateInvoice = { customer: string; cents: number };

/** Reads every invoice to learn the last number: fine for thousands. */
export async function createInvoice(store: EventStore, { customer, cents }: CreateInvoice) {
  return decide(store, { next: nextInvoiceNumber() }, ({ next }) => InvoiceCreated({ invoiceNumber: next, customer, cents }));
}

/**
 * The same for any number of invoices: reads only the last one, so the loop that `decide` would run is written out. What is read
 * and what must not change are still one query. Both ways may be used side by side.
 */
export async function createInvoiceFromLast(store: EventStore, { customer, cents }: CreateInvoice): Promise<{ invoiceNumber: number }> {
  const { query } = nextInvoiceNumber();
  for (let attempt = 1; ; attempt++) {
    const last = await store.read(query, { backwards: true, limit: 1 }).first();
    const invoiceNumber = last ? InvoiceCreated.parse(last).data.invoiceNumber + 1 : 1;
    try {
      await store.append(InvoiceCreated({ invoiceNumber, customer, cents }), { failIfEventsMatch: query, after: last?.position ?? 0 });
      return { invoiceNumber };
    } catch (error) {
      // Somebody else took the number. Only that is tried again, and not for ever.
      if (!isOpossumError(error, 'APPEND_CONDITION_FAILED') || attempt === 50) throw error;
    }
  }
}

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  await Promise.all(['ada', 'ben', 'cleo'].map((customer) => createInvoice(store, { customer, cents: 1999 })));
  print('three invoices at once');
  const { invoiceNumber } = await createInvoiceFromLast(store, { customer: 'dora', cents: 500 });
  print(`the next one is number ${invoiceNumber}`);
  const numbers = (await store.read(nextInvoiceNumber().query).toArray()).map((event) => InvoiceCreated.parse(event).data.invoiceNumber);
  print(`all of them: ${numbers.join(', ')}`);
}
