// A role in ../orders.py: the push consumer that watches all orders go by.

import { jetstream } from "@nats-io/jetstream";
import { connect, env } from "./harness.mjs";

/** Prints each order it sees, and ends when it has seen them all. */
export async function playOrders(role) {
  if (role !== "monitor") throw new Error(`unknown role ${role}`);
  const options = { reconnect: true, waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 10 };
  const nc = await connect(env("ORDERS_URL"), options);
  const total = Number(env("ORDERS_TOTAL"));
  const seen = new Set();
  while (seen.size < total) {
    try {
      const consumer = await jetstream(nc).consumers.getPushConsumer("ORDERS", "MONITOR");
      const messages = await consumer.consume();
      for await (const message of messages) {
        console.log(`seen ${message.seq} ${message.string()}`);
        seen.add(message.seq);
        message.ack();
        if (seen.size === total) break;
      }
    } catch (error) {
      // The server is away: the consumer is bound once more when it is back.
      console.error(String(error));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await nc.drain();
}
