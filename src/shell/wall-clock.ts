// The wall clock for commands: that of the emulated world (sim/wall-clock.ts).

export { WALL_EPOCH_S, wallClockNs } from '../sim/wall-clock.ts';
