/* Frames: one step of the caller each. A frame of one part is one step. Where steps are checked, lanes whose step has
   failed, or asks for shorter ones, are gathered, and their frame is passed in 2, 4, 8, ... equal parts.

   Defined before this:
     real, WIDTH (lanes that go through time together), UNKNOWNS, INPUTS, LANES (constants with one value a lane),
     CARRY (what a step takes over from the one before), STAGES and MASSLESS (potentials to be solved for at the end of
     each), MASSLESS_ROWS, CHECKED, DEEPEST, ITERATIONS, CLOSE, and the functions of the step: begin, finish,
     predict_<stage>, listed in PREDICT, and search. */

#define UNRESOLVED 255
#define SOME(n) ((n) > 0 ? (n) : 1)
#define ROWS(count, array, rows) \
    real *rows[SOME(count)]; \
    for (int row_ = 0; row_ < (count); row_++) rows[row_] = (array)[row_];
#define EACH(j, count) for (int j = 0; j < (count); j++)
#define LANE(i, n) for (long i = 0; i < (n); i++)

typedef const real *const *Rows;
typedef real *const *Targets;
typedef real Row[WIDTH];
enum { START, END, FROM, TO };

typedef struct {
    Row y[2][UNKNOWNS], u[4][SOME(INPUTS)], lane[SOME(LANES)], carry[2][SOME(CARRY)];
    Row solved[SOME(STAGES * MASSLESS)];
    Row guess[UNKNOWNS], trial[UNKNOWNS];
    Row now[SOME(MASSLESS)], newton[SOME(MASSLESS)], ahead[SOME(MASSLESS)];
    Row residual, left, share, error, pace, worst, most;
    long index[WIDTH], pending[WIDTH], waiting;
    int level[WIDTH];
} Scratch;

#if MASSLESS
static int close_enough(const Scratch *s, long i, real within) {
    real longest = 0, size = (real)1e-3;
    EACH(j, MASSLESS) {
        longest += r_abs(s->newton[j][i]);
        size = r_max(r_abs(s->now[j][i]), size);
    }
    return longest <= within * size;
}

/* Potentials of massless nodes by damped Newton's method, from the unknowns in s->guess. */
static void solve(Scratch *s, long n, const real *number, Rows u, Rows lane, Row *solved) {
    ROWS(UNKNOWNS, s->trial, trial)
    ROWS(MASSLESS, s->newton, newton)
    ROWS(MASSLESS, s->ahead, ahead)
    EACH(j, UNKNOWNS) memcpy(s->trial[j], s->guess[j], n * sizeof(real));
    EACH(j, MASSLESS) memcpy(s->now[j], s->guess[MASSLESS_ROWS[j]], n * sizeof(real));
    search(n, number, (Rows)trial, u, lane, newton, s->residual);
    LANE(i, n) s->share[i] = 1;
    for (int round = 0; round < ITERATIONS; round++) {
        int done = 1;
        LANE(i, n) done &= close_enough(s, i, (real)CLOSE);
        if (done) break;
        EACH(j, MASSLESS) LANE(i, n) trial[MASSLESS_ROWS[j]][i] = s->now[j][i] - s->share[i] * s->newton[j][i];
        search(n, number, (Rows)trial, u, lane, ahead, s->left);
        LANE(i, n) {
            const int better = s->left[i] < s->residual[i];
            EACH(j, MASSLESS) if (better) {
                s->now[j][i] = trial[MASSLESS_ROWS[j]][i];
                s->newton[j][i] = s->ahead[j][i];
            }
            s->residual[i] = better ? s->left[i] : s->residual[i];
            s->share[i] = better ? 1 : s->share[i] / 2;
        }
    }
    LANE(i, n) {
        const int near = close_enough(s, i, R(sqrt)((real)CLOSE));
        EACH(j, MASSLESS) solved[j][i] = near ? s->now[j][i] - s->newton[j][i] : (real)NAN;
    }
}
#endif

/* Potentials at the ends of all stages of a step, into s->solved. */
static void solve_stages(Scratch *s, long n, real h, const real *number, Rows y, Rows u, Rows u_next, Rows lane,
                         Rows carry) {
#if MASSLESS
    ROWS(STAGES * MASSLESS, s->solved, solved)
    ROWS(UNKNOWNS, s->guess, guess)
    EACH(stage, STAGES) {
        PREDICT[stage](n, h, number, y, u, u_next, lane, carry, (Rows)solved, guess);
        solve(s, n, number, u_next, lane, s->solved + stage * MASSLESS);
    }
#endif
}

static void step(Scratch *s, long n, real h, const real *number, Rows y, Rows u, Rows u_next, Rows lane, Rows carry,
                 Targets after, Targets carried) {
    ROWS(STAGES * MASSLESS, s->solved, solved)
    solve_stages(s, n, h, number, y, u, u_next, lane, carry);
    finish(n, h, number, y, u, u_next, lane, carry, (Rows)solved, after, carried, s->error, s->pace);
}

/* The pending lanes of that level into s->index, s->y[0], s->u and s->lane; returns how many. */
static long gather(Scratch *s, int level, Rows y, Rows u, Rows u_next, Rows lane) {
    long m = 0;
    LANE(i, s->waiting) if (s->level[s->pending[i]] == level) s->index[m++] = s->pending[i];
    LANE(i, m) {
        const long from = s->index[i];
        EACH(j, UNKNOWNS) s->y[0][j][i] = y[j][from];
        EACH(j, INPUTS) s->u[START][j][i] = u[j][from], s->u[END][j][i] = u_next[j][from];
        EACH(j, LANES) s->lane[j][i] = lane[j][from];
    }
    return m;
}

/* What gathered lanes would carry over to the start of their frame, into s->carry[0]. */
static void begin_gathered(Scratch *s, long m, const real *number) {
    ROWS(UNKNOWNS, s->y[0], y)
    ROWS(INPUTS, s->u[START], u)
    ROWS(LANES, s->lane, lane)
    ROWS(CARRY, s->carry[0], carry)
    begin(m, number, (Rows)y, (Rows)u, (Rows)lane, carry);
}

/* Inputs at a share of the frame, for gathered lanes. */
static void between(Scratch *s, long m, int row, real share) {
    EACH(j, INPUTS) LANE(i, m) s->u[row][j][i] = s->u[START][j][i] * (1 - share) + s->u[END][j][i] * share;
}

/* One of 2^level parts of a frame of h for gathered lanes, from s->y[0] and s->carry[0] to where they go on from. */
static void part(Scratch *s, long m, int level, long number_of_part, real h, const real *number) {
    const long parts = 1L << level;
    ROWS(UNKNOWNS, s->y[0], y)
    ROWS(UNKNOWNS, s->y[1], after)
    ROWS(INPUTS, s->u[FROM], from)
    ROWS(INPUTS, s->u[TO], to)
    ROWS(LANES, s->lane, lane)
    between(s, m, FROM, (real)number_of_part / parts);
    between(s, m, TO, (real)(number_of_part + 1) / parts);
    ROWS(CARRY, s->carry[0], carry)
    ROWS(CARRY, s->carry[1], carried)
    step(s, m, h / parts, number, (Rows)y, (Rows)from, (Rows)to, (Rows)lane, (Rows)carry, after, carried);
    EACH(j, UNKNOWNS) memcpy(s->y[0][j], s->y[1][j], m * sizeof(real));
    EACH(j, CARRY) memcpy(s->carry[0][j], s->carry[1][j], m * sizeof(real));
}

#if CHECKED
/* Level at which a frame of h is wanted that was passed at `level`: the same where all is well. */
static int wanted(int level, real h, real error, real pace) {
    if (!(error <= 1)) return level + 1;
    while (level <= DEEPEST && h * pace > (real)(1L << level)) level++;
    return level;
}

/* All parts of a frame of h for gathered lanes, unless every lane fails before the end. */
static void divided(Scratch *s, long m, int level, real h, const real *number) {
    LANE(i, m) s->worst[i] = s->most[i] = 0;
    for (long p = 0; p < 1L << level; p++) {
        int failed = 1;
        part(s, m, level, p, h, number);
        LANE(i, m) {
            s->worst[i] = r_max(s->error[i] <= 1 ? s->error[i] : 2, s->worst[i]);
            s->most[i] = r_max(s->pace[i], s->most[i]);
            failed &= s->worst[i] > 1;
        }
        if (failed) return;
    }
}
#endif

static void forward_frame(Scratch *s, long n, real h, const real *number, Rows y, Rows u, Rows u_next, Rows lane,
                          Rows carry, Targets after, Targets carried, unsigned char *level) {
    step(s, n, h, number, y, u, u_next, lane, carry, after, carried);
#if CHECKED
    int any = 0;
    #pragma omp simd reduction(| : any)
    LANE(i, n) {
        s->level[i] = !(s->error[i] <= 1) | (h * s->pace[i] > 1) | (y[0][i] != y[0][i]);
        any |= s->level[i];
    }
    memset(level, 0, n);
    s->waiting = 0;
    if (any) LANE(i, n) if (s->level[i]) s->pending[s->waiting++] = i;
    LANE(i, s->waiting) {
        const long which = s->pending[i];
        // a lane that was lost before stays lost
        const int lost = y[0][which] != y[0][which];
        s->level[which] = lost ? DEEPEST + 1 : wanted(0, h, s->error[which], s->pace[which]);
    }
    for (int c = 1; s->waiting && c <= DEEPEST; c++) {
        const long m = gather(s, c, y, u, u_next, lane);
        LANE(i, m) EACH(j, CARRY) s->carry[0][j][i] = carry[j][s->index[i]];
        if (m) divided(s, m, c, h, number);
        LANE(i, m) {
            const long to = s->index[i];
            s->level[to] = wanted(c, h, s->worst[i], s->most[i]);
            if (s->level[to] > c) continue;
            EACH(j, UNKNOWNS) after[j][to] = s->y[0][j][i];
            EACH(j, CARRY) carried[j][to] = s->carry[0][j][i];
        }
    }
    LANE(i, s->waiting) {
        const long lost = s->pending[i];
        level[lost] = s->level[lost] > DEEPEST ? UNRESOLVED : s->level[lost];
        if (level[lost] == UNRESOLVED) EACH(j, UNKNOWNS) after[j][lost] = (real)NAN;
    }
#endif
}
