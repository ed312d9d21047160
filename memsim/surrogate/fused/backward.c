/* The discrete adjoint of forward.c. Besides, defined before this: DRIVES (inputs whose gradients are wanted, all or
   none), WANTED (constants whose gradients are), KEPT (whether there are gradients by the samples of each unknown), and
   the adjoint of one step, adjoint(...): it turns `seed`, gradients by the unknowns at the end of the step, into those by
   the unknowns at its start, writes gradients by the inputs at its start and adds those by the inputs at its end and by
   constants. */

typedef struct {
    Row seed[UNKNOWNS], at_start[SOME(DRIVES)], at_end[SOME(DRIVES)], constant[SOME(WANTED)];
} Sums;

typedef struct {
    Scratch s;
    Sums before, own;
    Row from[SOME(DRIVES)], to[SOME(DRIVES)];
    Row (*path)[UNKNOWNS];
    long room;
} Pass;

static int make_room(Pass *p, long parts) {
    if (parts <= p->room) return 1;
    free(p->path);
    p->path = malloc(parts * sizeof *p->path);
    p->room = p->path ? parts : 0;
    return p->path != NULL;
}

/* Potentials at the ends of the stages of a step, found as on the way forward. */
static void stages_again(Scratch *s, long n, real h, const real *number, Rows y, Rows u, Rows u_next, Rows lane) {
#if STAGES
    ROWS(CARRY, s->carry[1], carry)
    begin(n, number, y, u, lane, carry);
    solve_stages(s, n, h, number, y, u, u_next, lane, (Rows)carry);
#endif
}

/* The adjoint of a frame that was passed in 2^level parts, for gathered lanes whose sums are in p->own. */
static void divided_adjoint(Pass *p, long m, int level, real h, const real *number) {
    Scratch *s = &p->s;
    const long parts = 1L << level;
    ROWS(INPUTS, s->u[FROM], from)
    ROWS(INPUTS, s->u[TO], to)
    ROWS(LANES, s->lane, lane)
    ROWS(STAGES * MASSLESS, s->solved, solved)
    ROWS(UNKNOWNS, p->own.seed, seed)
    ROWS(DRIVES, p->from, by_from)
    ROWS(DRIVES, p->to, by_to)
    ROWS(WANTED, p->own.constant, constant)
    for (long k = 0; k < parts; k++) {
        EACH(j, UNKNOWNS) memcpy(p->path[k][j], s->y[0][j], m * sizeof(real));
        part(s, m, level, k, h, number);
    }
    EACH(j, DRIVES) LANE(i, m) p->own.at_start[j][i] = 0;
    for (long k = parts - 1; k >= 0; k--) {
        ROWS(UNKNOWNS, p->path[k], y)
        const real first = (real)k / parts, second = (real)(k + 1) / parts;
        between(s, m, FROM, first);
        between(s, m, TO, second);
        EACH(j, DRIVES) LANE(i, m) p->to[j][i] = 0;
        stages_again(s, m, h / parts, number, (Rows)y, (Rows)from, (Rows)to, (Rows)lane);
        adjoint(m, h / parts, number, (Rows)y, (Rows)from, (Rows)to, (Rows)lane, (Rows)solved, seed, by_from, by_to,
                constant);
        EACH(j, DRIVES) LANE(i, m) {
            p->own.at_start[j][i] += p->from[j][i] * (1 - first) + p->to[j][i] * (1 - second);
            p->own.at_end[j][i] += p->from[j][i] * first + p->to[j][i] * second;
        }
    }
}

static int backward_frame(Pass *p, long n, real h, const real *number, Rows y, Rows u, Rows u_next, Rows lane,
                          const unsigned char *level, Targets seed, Targets by_u, Targets by_next, Targets constant) {
    Scratch *s = &p->s;
    ROWS(STAGES * MASSLESS, s->solved, solved)
#if CHECKED
    s->waiting = 0;
    LANE(i, n) if (level[i]) {
        s->level[i] = level[i];
        s->pending[s->waiting++] = i;
    }
    LANE(i, s->waiting) {
        const long from = s->pending[i];
        EACH(j, UNKNOWNS) p->before.seed[j][from] = seed[j][from];
        EACH(j, DRIVES) p->before.at_end[j][from] = by_next[j][from];
        EACH(j, WANTED) p->before.constant[j][from] = constant[j][from];
    }
#endif
    stages_again(s, n, h, number, y, u, u_next, lane);
    adjoint(n, h, number, y, u, u_next, lane, (Rows)solved, seed, by_u, by_next, constant);
#if CHECKED
    for (int c = 1; s->waiting && c <= DEEPEST; c++) {
        const long m = gather(s, c, y, u, u_next, lane);
        if (!m) continue;
        if (!make_room(p, 1L << c)) return 0;
        begin_gathered(s, m, number);
        LANE(i, m) {
            const long from = s->index[i];
            EACH(j, UNKNOWNS) p->own.seed[j][i] = p->before.seed[j][from];
            EACH(j, DRIVES) p->own.at_end[j][i] = p->before.at_end[j][from];
            EACH(j, WANTED) p->own.constant[j][i] = p->before.constant[j][from];
        }
        divided_adjoint(p, m, c, h, number);
        LANE(i, m) {
            const long to = s->index[i];
            EACH(j, UNKNOWNS) seed[j][to] = p->own.seed[j][i];
            EACH(j, DRIVES) by_u[j][to] = p->own.at_start[j][i], by_next[j][to] = p->own.at_end[j][i];
            EACH(j, WANTED) constant[j][to] = p->own.constant[j][i];
        }
    }
#endif
    return 1;
}

/* Turns `seed`, gradients by the last sample, into those by the first, and finds the others. */
int run(long first_lane, long last_lane, long lanes, long steps, const real *h, const real *number, Rows y, Rows u, Rows lane,
        const unsigned char *level, Rows kept, Targets seed, Targets by_u, Targets by_constant) {
    Pass *p = calloc(1, sizeof(Pass));
    int fine = p != NULL;
    for (long block = first_lane; fine && block < last_lane; block += WIDTH) {
        const long n = block + WIDTH < last_lane ? WIDTH : last_lane - block;
        const real *own[SOME(LANES)], *now[UNKNOWNS], *drive[SOME(INPUTS)], *drive_next[SOME(INPUTS)];
        real *seeds[UNKNOWNS], *by_now[SOME(DRIVES)], *by_next[SOME(DRIVES)], *constant[SOME(WANTED)];
        EACH(j, LANES) own[j] = lane[j] + block;
        EACH(j, UNKNOWNS) seeds[j] = seed[j] + block;
        EACH(j, WANTED) constant[j] = by_constant[j] + block;
        for (long k = steps - 1; fine && k >= 0; k--) {
            const long at = k * lanes + block;
            EACH(j, UNKNOWNS) now[j] = y[j] + at;
            EACH(j, INPUTS) drive[j] = u[j] + at, drive_next[j] = u[j] + at + lanes;
            EACH(j, DRIVES) by_now[j] = by_u[j] + at, by_next[j] = by_u[j] + at + lanes;
            fine = backward_frame(p, n, h[k], number, now, drive, drive_next, own, level + at, seeds, by_now, by_next,
                                  constant);
            EACH(j, UNKNOWNS) if (KEPT[j]) LANE(i, n) seeds[j][i] += kept[j][at + i];
        }
    }
    if (p) free(p->path);
    free(p);
    return !fine;
}
