// What conntrack counts (struct ip_conntrack_stat).

/** Counters of `conntrack -S`, by their names there. */
export class ConntrackStats {
  found = 0;
  invalid = 0;
  insert = 0;
  insert_failed = 0;
  drop = 0;
  early_drop = 0;
  error = 0;
  search_restart = 0;
  clash_resolve = 0;
  chaintoolong = 0;
}
