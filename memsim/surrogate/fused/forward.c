/* All steps of a run for some of its lanes. Arrays are [samples, lanes]; sample 0 of y is given, the others are filled. */
int run(long begin, long end, long lanes, long steps, const real *h, const real *number, Targets y, Rows u, Rows lane,
        unsigned char *level) {
    Scratch *s = malloc(sizeof(Scratch));
    if (!s) return 1;
    for (long block = begin; block < end; block += WIDTH) {
        const long n = block + WIDTH < end ? WIDTH : end - block;
        const real *own[SOME(LANES)], *now[UNKNOWNS], *drive[SOME(INPUTS)], *drive_next[SOME(INPUTS)];
        real *next[UNKNOWNS];
        EACH(j, LANES) own[j] = lane[j] + block;
        for (long k = 0; k < steps; k++) {
            const long at = k * lanes + block;
            EACH(j, UNKNOWNS) now[j] = y[j] + at, next[j] = y[j] + at + lanes;
            EACH(j, INPUTS) drive[j] = u[j] + at, drive_next[j] = u[j] + at + lanes;
            forward_frame(s, n, h[k], number, now, drive, drive_next, own, next, level + at);
        }
    }
    free(s);
    return 0;
}
