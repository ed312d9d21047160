/* All steps of a run for some of its lanes. Arrays are [samples, lanes]; sample 0 of y is given, the others are filled. */
int run(long first_lane, long last_lane, long lanes, long steps, const real *h, const real *number, Targets y, Rows u, Rows lane,
        unsigned char *level) {
    Scratch *s = malloc(sizeof(Scratch));
    Row (*held)[SOME(CARRY)] = malloc(2 * sizeof *held);
    if (!s || !held) return 1;
    for (long block = first_lane; block < last_lane; block += WIDTH) {
        const long n = block + WIDTH < last_lane ? WIDTH : last_lane - block;
        const real *own[SOME(LANES)], *now[UNKNOWNS], *drive[SOME(INPUTS)], *drive_next[SOME(INPUTS)];
        real *next[UNKNOWNS];
        EACH(j, LANES) own[j] = lane[j] + block;
        EACH(j, UNKNOWNS) now[j] = y[j] + block;
        EACH(j, INPUTS) drive[j] = u[j] + block;
        ROWS(CARRY, held[0], first)
        begin(n, number, now, drive, own, first);
        for (long k = 0; k < steps; k++) {
            const long at = k * lanes + block;
            EACH(j, UNKNOWNS) now[j] = y[j] + at, next[j] = y[j] + at + lanes;
            EACH(j, INPUTS) drive[j] = u[j] + at, drive_next[j] = u[j] + at + lanes;
            ROWS(CARRY, held[k & 1], carry)
            ROWS(CARRY, held[~k & 1], carried)
            forward_frame(s, n, h[k], number, now, drive, drive_next, own, (Rows)carry, next, carried, level + at);
        }
    }
    free(held);
    free(s);
    return 0;
}
