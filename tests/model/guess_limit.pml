/* The guess limit of one subject under crash, rollback and a second copy: what docs/GUESS_LIMIT.md argues, for spin to search.
 *
 * A store is named by its ledger's head, and a head is a node of a tree: two continuations of one ledger are two
 * nodes with one parent, as two entries with one `prev` have two hashes. The HSM holds a set of anchors (epoch, head).
 * Two copies of the appliance run the same steps. At any step a copy may be killed; at any start its disk may hold any
 * store that any disk ever held: its own of some time ago, or the other's. The attacker wins if more than
 * LIMIT comparisons ever run. One call to the HSM, and one commit of the store, is one step.
 *
 * run.py checks the model as it stands, and that each exchange of two steps is found out; see MUTANTS there.
 */
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef NODES
#define NODES 5
#endif
#ifndef EPOCHS
#define EPOCHS 4
#endif
#define SLOTS 8
#define NONE 255

/* The tree of heads; node 0 is the empty ledger. line[n] has a bit for n and for each of its ancestors; charges[n] is the
   count that its guard table gives. */
byte line[NODES], depth[NODES], charges[NODES];
byte nodes = 1;

/* The HSM's data objects; epoch 0 is a free slot. A claim says only: I am about to take over. */
byte epoch[SLOTS], head[SLOTS];
bool claim[SLOTS];

bool up[2];
byte found[2];  /* the objects, by slot, that each copy's last look listed; handles are not used again */
byte evaluated;

#define VALUE(s) (epoch[s] * 32 + claim[s] * 16 + head[s])
#define STEP(x) if :: atomic { x } :: goto killed fi

inline create(e, h, c) {
  d_step {
    i = 0;
    do
    :: i < SLOTS && epoch[i] != 0 -> i++
    :: else -> break
    od;
    assert(i < SLOTS);
    epoch[i] = e; head[i] = h; claim[i] = c; mine = i;
    found[0] = found[0] & ~(1 << i); found[1] = found[1] & ~(1 << i); i = 0;
    printf("copy %d makes %d: epoch %d head %d claim %d\n", me, mine, e, h, c)
  }
}

inline destroy(slot) { epoch[slot] = 0; head[slot] = 0; claim[slot] = 0 }

/* Anchor::recorded(): the newest anchor, the highest epoch, and all that is there. */
inline recorded() {
  d_step {
    i = 0; newest = NONE; top = 0;
    do
    :: i < SLOTS ->
      known[i] = VALUE(i);
      if :: epoch[i] > top -> top = epoch[i] :: else fi;
      if
      :: epoch[i] != 0 && !claim[i] ->
        if
        :: newest == NONE -> newest = i
        :: else ->
          if
          :: epoch[i] > epoch[newest] || (epoch[i] == epoch[newest] && depth[head[i]] >= depth[head[newest]]) -> newest = i
          :: else
          fi
        fi
      :: else
      fi;
      i++
    :: else -> break
    od;
    i = 0;
    printf("copy %d starts, sees epoch %d, newest in %d\n", me, top, newest);
    if :: newest != NONE -> newest = head[newest] :: else fi
  }
}

/* bad: an object is there that fences us. While we take over that is any that recorded() did not see; afterwards one of a
   higher epoch. */
inline look(taking_over) {
  d_step {
    i = 0; bad = false; found[me] = 0;
    do
    :: i < SLOTS ->
      if
      :: i != mine && epoch[i] != 0 ->
        found[me] = found[me] | (1 << i);
        if
        :: taking_over ->
          j = 0;
          do
          :: j < SLOTS && known[j] != VALUE(i) -> j++
          :: else -> break
          od;
          if :: j == SLOTS -> bad = true :: else fi;
          j = 0;
  #ifdef NO_CLAIM
          if :: newest != NONE && depth[head[i]] > depth[newest] -> bad = true :: else fi
  #endif
        :: else -> if :: epoch[i] > my_epoch -> bad = true :: else fi
        fi
      :: else
      fi;
      i++
    :: else -> break
    od;
    i = 0;
    printf("copy %d looks: bad %d\n", me, bad)
  }
}

/* One after the other: a kill may come between any two. */
inline destroy_found() {
  printf("copy %d destroys what it found beside %d\n", me, mine);
  i = 0;
  do
  :: i < SLOTS -> if :: found[me] & (1 << i) -> destroy(i) :: else fi; i++
  :: i < SLOTS -> goto killed
  :: else -> break
  od;
  i = 0; found[me] = 0
}

inline known_nothing() {
  d_step { j = 0; do :: j < SLOTS -> known[j] = 0; j++ :: else -> break od; j = 0; newest = 0; top = 0 }
}

inline compare() { evaluated++; printf("copy %d compares, %d\n", me, evaluated); assert(evaluated <= LIMIT) }

/* Anchor::record(): made, looked round, and only then the old one destroyed. Fenced: withdrawn, and the copy serves no more. */
#ifdef DESTROY_FIRST
#define RECORD                                                                   \
  STEP( look(false); if :: !bad -> mine = NONE; destroy_found() :: else fi );   \
  if :: bad -> goto killed :: else fi;                                           \
  STEP( create(my_epoch, memory, 0) )
#else
#ifdef NO_FENCING
#define RECORD                                          \
  old = mine;                                           \
  STEP( create(my_epoch, memory, 0) );                  \
  STEP( if :: old != NONE -> destroy(old) :: else fi; old = NONE )
#else
#define RECORD                                                      \
  STEP( create(my_epoch, memory, 0) );                              \
  STEP( look(false) );                                              \
  if :: bad -> STEP( destroy(mine) ); goto killed :: else fi;       \
  STEP( destroy_found() )
#endif
#endif

proctype copy(bit me) {
  byte known[SLOTS];
  byte i, j, mine = NONE, newest, top, my_epoch, memory;
#ifdef NO_FENCING
  byte old = NONE;
#endif
  bool bad;

off:
  /* SqlCipherStore::open(). */
  atomic {
    up[me] = true;
    recorded();
    top < EPOCHS;
    memory = 0;
    do :: memory + 1 < nodes -> memory++ :: break od;
#ifdef EPOCH_FIRST
    my_epoch = top + 1;
    create(my_epoch, memory, 0);
  }
  STEP( look(false); destroy_found(); recorded() );
  atomic {
#endif
    /* replay(): behind or beside the anchor is refused, without touching it; no anchor allows only the empty ledger. */
    if
    :: newest == NONE && memory != 0 -> goto refused
    :: newest != NONE && !(line[memory] & (1 << newest)) -> goto refused
    :: else
    fi
  }
#ifndef EPOCH_FIRST
  my_epoch = top + 1;
#ifdef NO_CLAIM
  STEP( create(my_epoch, memory, 0) );
#else
  STEP( create(my_epoch, memory, 1) );
#endif
#ifndef NO_FENCING
  STEP( look(true) );
  if :: bad -> STEP( destroy(mine) ); goto killed :: else fi;
#endif
#ifdef NO_CLAIM
  STEP( destroy_found() );
#else
  RECORD;
#endif
#endif

serving:
  /* A guess. The guard in memory says whether there is one left. That the disk is still ours, check_head() finds at the
     commit; if not, nothing is committed, which is what a kill here is. So a disk need not be a variable. */
  atomic { known_nothing() }
  STEP( charges[memory] < LIMIT );
#ifdef EVALUATE_FIRST
  STEP( compare() );
#endif
  STEP(
    nodes < NODES;
    line[nodes] = line[memory] | (1 << nodes); depth[nodes] = depth[memory] + 1; charges[nodes] = charges[memory] + 1;
    memory = nodes; nodes++; printf("copy %d commits %d, count %d\n", me, memory, charges[memory])
  );
#ifdef ANSWER_FIRST
  STEP( compare() );
#endif
  RECORD;
#ifndef EVALUATE_FIRST
#ifndef ANSWER_FIRST
  if
  :: STEP( compare() )
  :: /* The HSM failed, nothing was compared: Store::refund(), durable and not anchored. */
    STEP(
      nodes < NODES;
      line[nodes] = line[memory] | (1 << nodes); depth[nodes] = depth[memory] + 1; charges[nodes] = charges[memory] - 1;
      memory = nodes; nodes++; printf("copy %d commits %d, count %d\n", me, memory, charges[memory])
    )
  fi;
#endif
#endif
  goto serving;

refused:
killed:
  atomic { known_nothing(); i = 0; mine = NONE; my_epoch = 0; memory = 0; bad = false; up[me] = false; found[me] = 0; printf("copy %d down\n", me);
#ifdef NO_FENCING
    old = NONE;
#endif
  }
  goto off
}

/* Nobody is locked out: with all copies down there is a store that a start would accept, and serve. */
#ifdef LIVE
proctype live() {
  byte i, newest = NONE, n;
  byte top;
  bool served;
end:
  do
  :: atomic {
      !up[0] && !up[1] ->
      i = 0; newest = NONE;
      do
      :: i < SLOTS ->
        if
        :: epoch[i] != 0 && !claim[i] ->
          if
          :: newest == NONE -> newest = i
          :: else -> if :: epoch[i] > epoch[newest] || (epoch[i] == epoch[newest] && depth[head[i]] >= depth[head[newest]]) -> newest = i :: else fi
          fi
        :: else
        fi;
        i++
      :: else -> break
      od;
      assert(newest != NONE || nodes == 1);
#ifdef NO_CLAIM
      if
      :: newest != NONE ->
        i = 0;
        do
        :: i < SLOTS -> assert(epoch[i] == 0 || depth[head[i]] <= depth[head[newest]]); i++
        :: else -> break
        od
      :: else
      fi;
#endif
      i = 0; newest = NONE
    }
  od
}
#endif

init {
  atomic {
    line[0] = 1;
    run copy(0);
#ifndef ONE_COPY
    run copy(1);
#endif
#ifdef LIVE
    run live();
#endif
  }
}
