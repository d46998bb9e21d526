// CONFIG_HZ: how often the kernel's clock ticks. In a file of its own, so that a test that plays scripts written for
// another kernel configuration can put another value in its place.

/** Ticks per second of the kernel of the golden captures. */
export const HZ: number = 250;
