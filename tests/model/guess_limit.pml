/* The guess limit of one subject under crash, rollback and a second copy: what docs/GUESS_LIMIT.md argues, for spin to search.
 *
 * A store is named by its ledger's head, and a head is a node of a tree: two continuations of one ledger are two
 * nodes with one parent, as two entries with one `prev` have two hashes. The HSM holds a set of anchors (epoch, head).
 * Two copies of the appliance run the same steps. At any step a copy may be killed; at any start its disk may hold any
 * store that any disk ever held: its own of some time ago, or the other's. The attacker wins if more than LIMIT
 * comparisons ever run. One call to the HSM, and one commit of the store, is one step.
 *
 * run.py checks the model as it stands, and that each exchange of two steps is found out; see MUTANTS there.
 */
#ifndef LIMIT
#define LIMIT 1
#endif
#ifndef NODES
#define NODES 3
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#define SLOTS 6
#define NONE 255

#define STEP(x) if :: atomic { x } :: goto killed fi
#define FREE (epoch[0] == 0 || epoch[1] == 0 || epoch[2] == 0 || epoch[3] == 0 || epoch[4] == 0 || epoch[5] == 0)
#define NEWER(a, b) (epoch[a] > epoch[b] || (epoch[a] == epoch[b] && depth[head[a]] >= depth[head[b]]))

/* The tree of heads; node 0 is the empty ledger. line[n] has a bit for n and for each of its ancestors; charges[n] is the
   count that its guard table gives. */
byte line[NODES], depth[NODES], charges[NODES];
byte nodes = 1;

byte epoch[SLOTS], head[SLOTS];  /* the HSM's data objects; epoch 0 is a free slot */
/* What each copy holds a handle of: the object it made last, and those that its last look listed. A handle is never used
   again (a slot is, and then nobody has one): were it, a late destroy would hit the other's anchor, and the search says so. */
byte mine[2] = NONE, found[2];
byte evaluated;
#ifdef LOCKOUT
byte up;
#endif

inline create(e, h) {
  d_step {
    i = 0;
    do
    :: i < SLOTS && epoch[i] != 0 -> i++
    :: else -> break
    od;
    assert(i < SLOTS);
    epoch[i] = e; head[i] = h;
#ifndef HANDLES_AGAIN
    if :: mine[1 - me] == i -> mine[1 - me] = NONE :: else fi;
#endif
    mine[me] = i;
#ifndef HANDLES_AGAIN
    found[0] = found[0] & ~(1 << i); found[1] = found[1] & ~(1 << i);
#endif
    i = 0;
    printf("copy %d makes (epoch %d, head %d)\n", me, e, h)
  }
}

inline destroy(slot) { epoch[slot] = 0; head[slot] = 0 }
inline withdraw() { if :: mine[me] != NONE -> destroy(mine[me]) :: else fi }

/* Anchor::recorded(): `newest` is its head, `top` its epoch. */
inline recorded() {
  d_step {
    i = 0; j = NONE;
    do
    :: i < SLOTS ->
      if
      :: epoch[i] == 0
      :: epoch[i] != 0 && j == NONE -> j = i
      :: epoch[i] != 0 && j != NONE -> if :: NEWER(i, j) -> j = i :: else fi
      fi;
      i++
    :: else -> break
    od;
    if :: j == NONE -> newest = NONE; top = 0 :: else -> newest = head[j]; top = epoch[j] fi;
    i = 0; j = 0;
    printf("copy %d finds (epoch %d, head %d)\n", me, top, newest)
  }
}

/* fenced: while it takes over, by anything newer than what recorded() gave; afterwards by a higher epoch. */
inline look(taking_over) {
  d_step {
    i = 0; fenced = false; found[me] = 0;
    do
    :: i < SLOTS ->
      if
      :: i != mine[me] && epoch[i] != 0 ->
        found[me] = found[me] | (1 << i);
        if
        :: taking_over && (newest == NONE || epoch[i] > top || depth[head[i]] > depth[newest]) -> fenced = true
        :: !taking_over && epoch[i] > my_epoch -> fenced = true
        :: else
        fi
      :: else
      fi;
      i++
    :: else -> break
    od;
    i = 0;
    printf("copy %d looks: fenced %d\n", me, fenced)
  }
}

/* One after the other: a kill may come between any two. */
inline destroy_found() {
  i = 0;
  do
  :: i < SLOTS -> if :: found[me] & (1 << i) -> destroy(i) :: else fi; i++
  :: i < SLOTS -> goto killed
  :: else -> break
  od;
  i = 0; found[me] = 0
}

inline append(count) {
  line[nodes] = line[memory] | (1 << nodes); depth[nodes] = depth[memory] + 1; charges[nodes] = count;
  memory = nodes; nodes++;
  printf("copy %d commits head %d, count %d\n", me, memory, charges[memory])
}

inline compare() { evaluated++; printf("copy %d compares\n", me); assert(evaluated <= LIMIT) }

/* Anchor::record(): made, looked round, and only then the old ones destroyed. */
#if defined(DESTROY_FIRST)
#define RECORD                                              \
  STEP( look(false); destroy_found(); withdraw() );      \
  if :: fenced -> goto killed :: else fi;                   \
  STEP( FREE; create(my_epoch, memory) )
#elif defined(NO_FENCING)
#define RECORD                                              \
  STEP( FREE; create(my_epoch, memory) );                   \
  STEP( look(false); fenced = false );                      \
  STEP( destroy_found() )
#else
#define RECORD                                              \
  STEP( FREE; create(my_epoch, memory) );                   \
  STEP( look(false) );                                      \
  if :: fenced -> STEP( withdraw() ); goto killed :: else fi; \
  STEP( destroy_found() )
#endif

proctype copy(bit me) {
  byte i, j, newest, top, my_epoch, memory;
  bool fenced;

off:
  /* SqlCipherStore::open(), over whatever store there is. */
  atomic {
    recorded();
    top < EPOCHS;
    memory = 0;
    do :: memory + 1 < nodes -> memory++ :: break od;
    printf("copy %d opens a store of head %d\n", me, memory);
    my_epoch = top + 1;
#ifdef LOCKOUT
    /* Nobody else runs, and yet take_over() would take an old object for a running copy: nobody can ever start. */
    up++;
    if
    :: up == 1 && newest != NONE ->
      do :: i < SLOTS -> assert(epoch[i] == 0 || depth[head[i]] <= depth[newest]); i++ :: else -> break od;
      i = 0
    :: else
    fi
#endif
  }
#ifdef EPOCH_FIRST
  STEP( FREE; create(my_epoch, memory) );
  STEP( look(false); destroy_found() );
  atomic { recorded() }
#endif
  atomic {
    /* replay(): behind or beside the anchor is refused, without touching it; no anchor allows only the empty ledger. */
    if
    :: newest == NONE && memory != 0 -> goto killed
    :: newest != NONE && !(line[memory] & (1 << newest)) -> goto killed
    :: else
    fi
  }
#ifndef EPOCH_FIRST
  /* Anchor::take_over(). */
  STEP( FREE; create(my_epoch, memory) );
#ifdef NO_FENCING
  STEP( look(true); fenced = false );
#else
  STEP( look(true) );
  if :: fenced -> STEP( withdraw() ); goto killed :: else fi;
#endif
  STEP( destroy_found() );
#endif
  newest = 0; top = 0;

serving:
  /* A guess. The guard in memory says whether there is one left. That the disk is still ours, check_head() finds at the
     commit; if not, nothing is committed, which is what a kill here is. So a disk need not be a variable. */
  STEP( charges[memory] < LIMIT );
#ifdef EVALUATE_FIRST
  STEP( compare() );
#endif
  STEP( nodes < NODES; append(charges[memory] + 1) );
#ifdef ANSWER_FIRST
  STEP( compare() );
#endif
  RECORD;
#if !defined(EVALUATE_FIRST) && !defined(ANSWER_FIRST)
  if
  :: STEP( compare() )
  :: STEP( nodes < NODES; append(charges[memory] - 1) )  /* the HSM failed, nothing was compared: Store::refund(), durable, not anchored */
  fi;
#endif
  goto serving;

killed:
  atomic {
    i = 0; j = 0; mine[me] = NONE; newest = 0; top = 0; my_epoch = 0; memory = 0; fenced = false; found[me] = 0;
    printf("copy %d is down\n", me);
#ifdef LOCKOUT
    up--
#endif
  }
  goto off
}

init {
  atomic {
    line[0] = 1;
#ifndef ONE_COPY  /* one alone is never locked out; run.py */
    run copy(1);
#endif
    run copy(0)
  }
}
