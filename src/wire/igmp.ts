// IGMPv3 membership reports: RFC 3376 section 4.2. Only what a host sends; queries need a querier, which no node runs.
//
//    0      1    2       4     6        8             each record: type, aux length, number of sources, group
//   +------+----+-------+-----+--------+---------
//   | 0x22 | 0  |  sum  |  0  | records| ...
//   +------+----+-------+-----+--------+---------

export const IGMP_REPORT = 0x22;
export const IGMP_REPORT_HEADER = 8;
export const IGMP_RECORD = 8;
export const IGMP_CHECKSUM = 2;

/** Group record types (RFC 3376 section 4.2.12). */
export const IgmpRecord = { CHANGE_TO_INCLUDE: 3, CHANGE_TO_EXCLUDE: 4 } as const;
export type IgmpRecord = (typeof IgmpRecord)[keyof typeof IgmpRecord];

/** Bytes of a report with this many records without sources. */
export function igmpReportLength(records: number): number {
  return IGMP_REPORT_HEADER + records * IGMP_RECORD;
}

/** Writes the 8 header bytes with a zero checksum; the caller fills it once the records stand. */
export function writeIgmpReport(view: DataView, at: number, records: number): void {
  view.setUint8(at, IGMP_REPORT);
  view.setUint8(at + 1, 0);
  view.setUint16(at + IGMP_CHECKSUM, 0);
  view.setUint16(at + 4, 0);
  view.setUint16(at + 6, records);
}

/** Writes record `index`: all sources of the group, or none of them. */
export function writeIgmpRecord(view: DataView, at: number, index: number, type: IgmpRecord, group: number): void {
  const record = at + IGMP_REPORT_HEADER + index * IGMP_RECORD;
  view.setUint8(record, type);
  view.setUint8(record + 1, 0);
  view.setUint16(record + 2, 0);
  view.setInt32(record + 4, group);
}
