/* The guess limit of one subject under crash, rollback and a second copy: what docs/GUESS_LIMIT.md argues, for spin to search.
 *
 * A store is named by its ledger's head, and a head is a node of a tree: two continuations of one ledger are two
 * nodes with one parent, as two entries with one `prev` have two hashes. The HSM holds a set of objects (kind, epoch,
 * head): anchors, the claims of copies that mean to take over, and the cells in which a copy that has taken over writes each head
 * after that, in turn. Writing is two steps, for SoftHSM2 empties the object's file and then fills it: a kill between leaves a
 * cell that no list shows, and who fills it brings back a cell that was destroyed between. With ANEW there are no cells (a module that
 * changes no object), and each head is an anchor made anew. Two copies of the appliance run the same steps. At any
 * step a copy may be killed; at any start its disk may hold any store that any disk ever held: its own of some time ago,
 * or the other's. The attacker wins if more than LIMIT comparisons ever run. One call to the HSM, and one commit of the
 * store, is one step. A call that fails, with its effect or without it, is a kill: who does not know what it did starts anew.
 *
 * All that is asked of the HSM: a destruction that succeeds once, handles that are not used again, and a list that is
 * complete for a process that has just opened the token. No later list is believed: SoftHSM2's misses what another
 * process made (tests/appliance/anchor/processes_test.cpp).
 *
 * With RESTORE, two officers may restore at any start whatever store there is, be it behind or beside: a candidate is made of
 * it, in which the subject is locked (a count of LIMIT), and taken over like any other. That its file is put in place before the
 * anchor moves, or after, is no variable: a disk may hold any store at any start.
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
#define EPOCHS 4
#endif
#ifndef SLOTS
#ifdef ANEW
#define SLOTS 7
#else
#define SLOTS 9
#endif
#endif
#define NONE 255
#define GONE 254

#define STEP(x) if :: atomic { x } :: goto killed fi
#define FREE (free > 0)

/* The tree of heads; node 0 is the founded ledger. line[n] has a bit for n and for each of its ancestors; charges[n] is the
   count that its guard table gives. */
byte line[NODES], depth[NODES], charges[NODES];
byte nodes = 1;

/* The HSM's data objects; epoch 0 is a free slot. */
byte epoch[SLOTS], head[SLOTS];
bit claim[SLOTS];
byte stands[SLOTS];  /* of a claim: the epoch that it stands in for */
#ifndef ANEW
bit cell[SLOTS];
#endif
byte free = SLOTS;

/* What each copy holds a handle of. A handle is never used again: where a slot is, who held the old object's holds GONE. */
byte coin[2] = NONE, mine[2] = NONE;
#ifdef ANEW
byte draft[2] = NONE;
#else
byte cells[4] = NONE;  /* two of each copy, and which is written next */
bit turn[2];
#endif
short found[2];
bit missed[2];  /* one of `found` is gone */
bit alone[2];   /* no other copy did anything since this one looked */
byte up;
byte evaluated;

#ifdef HANDLES_AGAIN
#define RENEW(h)
#else
#define RENEW(h) if :: h == i -> h = GONE :: else fi
#endif
#ifdef ANEW
#define IS_CELL(s) false
#define RENEW_REST RENEW(draft[0]); RENEW(draft[1])
#define SET_CELL(k)
#else
#define IS_CELL(s) cell[s]
#define RENEW_REST RENEW(cells[0]); RENEW(cells[1]); RENEW(cells[2]); RENEW(cells[3])
#define SET_CELL(k) cell[i] = (k == CELL)
#endif
#define ANCHOR 0
#define CLAIM 1
#define CELL 2

inline create(k, e, h, handle) {
  d_step {
    i = 0;
    do :: epoch[i] != 0 -> i++ :: else -> break od;
    RENEW(coin[0]); RENEW(coin[1]); RENEW(mine[0]); RENEW(mine[1]); RENEW_REST;
#ifndef HANDLES_AGAIN
    if :: found[0] & (1 << i) -> found[0] = found[0] & ~(1 << i); missed[0] = true :: else fi;
    if :: found[1] & (1 << i) -> found[1] = found[1] & ~(1 << i); missed[1] = true :: else fi;
#endif
    claim[i] = (k == CLAIM); stands[i] = (k == CLAIM -> its_epoch : 0); SET_CELL(k); epoch[i] = e; head[i] = h; free--;
    handle = i;
    alone[1 - me] = false;
    printf("copy %d makes (kind %d, epoch %d, head %d)\n", me, k, e, h);
    i = 0
  }
}

#define IS_THERE(h) (h < SLOTS && epoch[h] != 0)
#ifdef ANEW
#define CLEAR(h) claim[h] = 0; stands[h] = 0; epoch[h] = 0; head[h] = 0; free++
#else
#define CLEAR(h) claim[h] = 0; stands[h] = 0; cell[h] = 0; epoch[h] = 0; head[h] = 0; free++
#endif

/* C_DestroyObject: ok where the object was there. */
inline destroy(handle) {
  d_step {
    ok = IS_THERE(handle);
    if :: ok -> CLEAR(handle) :: else fi;
    handle = NONE;
    alone[1 - me] = false;
    printf("copy %d destroys: %d\n", me, ok)
  }
}

/* SoftHSM2 writes a new object's file twice, and the second time makes the file anew where another destroyed it between. */
#ifdef REWRITTEN
#define REWRITE(k, e, h, handle) \
  STEP( if :: (handle >= SLOTS || epoch[handle] == 0) && FREE -> create(k, e, h, handle) :: else fi )
#else
#define REWRITE(k, e, h, handle)
#endif
/* A creation that was reported as failed and was none: made again, and the first one stays. */
#ifdef MADE_TWICE
#define MAKE(k, e, h, handle) \
  STEP( FREE -> create(k, e, h, handle) ); \
  if :: STEP( FREE -> create(k, e, h, handle) ) :: skip fi; \
  REWRITE(k, e, h, handle)
#else
#define MAKE(k, e, h, handle) \
  STEP( FREE -> create(k, e, h, handle) ); \
  REWRITE(k, e, h, handle)
#endif

/* Anchor::recorded(): by the epoch that is spoken for, anchors and cells before the claim that stands in for theirs, then the longest
   ledger. What a copy makes that was stopped long ago does not come before the claim for a later one. */
#define SPEAKS_FOR(s) (claim[s] -> stands[s] : epoch[s])
#ifdef CLAIMS_LAST
#define RANK(s) (epoch[s] * 8 + depth[head[s]] + (1 - claim[s]) * 128)
#else
#define RANK(s) (SPEAKS_FOR(s) * 16 + (1 - claim[s]) * 8 + depth[head[s]])
#endif

/* `found` is what is to be destroyed before what was chosen; cells come later. */
inline look() {
  d_step {
    i = 0; j = NONE; top = 0; found[me] = 0; missed[me] = false;
    do
    :: i < SLOTS ->
      if
      :: epoch[i] != 0 && i != unseen ->
        if :: !IS_CELL(i) -> found[me] = found[me] | (1 << i) :: else fi;
        if :: epoch[i] > top -> top = epoch[i] :: else fi;
        if :: j == NONE -> j = i :: j != NONE && RANK(i) > RANK(j) -> j = i :: else fi
      :: else
      fi;
      i++
    :: else -> break
    od;
    i = 0;
    if
    :: j != NONE -> found[me] = found[me] & ~(1 << j); newest = head[j]; its_epoch = SPEAKS_FOR(j); coin[me] = (IS_CELL(j) -> NONE : j)
    :: else -> newest = NONE; coin[me] = NONE
    fi;
    j = 0; alone[me] = (up == 1); alone[1 - me] = false;
    printf("copy %d finds head %d, epoch %d\n", me, newest, top)
  }
}

#ifdef NO_FENCING
#define LOST false
#else
#define LOST !ok
#endif

/* A copy that starts beside no other is never stopped by what others left. */
#define STOP assert(!alone[me]); goto killed

/* One after the other: a kill may come between any two. */
inline destroy_found() {
  do
  :: atomic {
      found[me] != 0 && !missed[me] ->
      d_step { j = 0; do :: !(found[me] & (1 << j)) -> j++ :: else -> break od; found[me] = found[me] & ~(1 << j) }
      destroy(j); j = 0;
      if :: !ok -> missed[me] = true :: else fi
    }
  :: atomic { found[me] == 0 || missed[me] -> break }
  :: goto killed
  od;
#ifndef NO_FENCING
  if :: missed[me] -> STOP :: else fi;
#endif
  missed[me] = false
}

inline destroy_chosen() {
  if
  :: coin[me] != NONE ->
    STEP( destroy(coin[me]) );
    if :: LOST -> STOP :: else fi
  :: else
  fi
}

inline append(count) {
  line[nodes] = line[memory] | (1 << nodes); depth[nodes] = depth[memory] + 1; charges[nodes] = count;
  memory = nodes; nodes++;
  printf("copy %d commits head %d, count %d\n", me, memory, charges[memory])
}

inline compare() { evaluated++; printf("copy %d compares\n", me); assert(evaluated <= LIMIT) }

#ifndef ANEW
/* Anchor::look_again(): no copy of before records any more, for its anchor is gone. Is what it wrote last what was chosen? The
   newest cell is destroyed last, or a kill leaves an older one, which comes before our claim. */
inline look_again() {
  d_step {
    i = 0; j = NONE; found[me] = 0; ok = true;
    do
    :: i < SLOTS ->
      if
      :: epoch[i] != 0 && cell[i] ->
        found[me] = found[me] | (1 << i);
        if :: j == NONE -> j = i :: j != NONE && RANK(i) > RANK(j) -> j = i :: else fi;
        if
        :: (epoch[i] > its_epoch || (epoch[i] == its_epoch && depth[head[i]] >= depth[newest])) && head[i] != newest -> ok = false
        :: else
        fi
#if !defined(MADE_TWICE) && !defined(NO_FOREIGN)
      :: epoch[i] != 0 && !cell[i] && i != mine[me] -> ok = false  /* another starts, told from our own by its id */
#endif
      :: else
      fi;
      i++
    :: else -> break
    od;
#ifndef ANY_ORDER
    coin[me] = j;
    if :: j != NONE -> found[me] = found[me] & ~(1 << j) :: else fi;
#endif
    i = 0; j = 0;
    printf("copy %d looks again: %d\n", me, ok)
  }
}

/* C_SetAttributeValue on a cell, which must be there. Its file is emptied, and filled. */
#define MY_CELL cells[me * 2 + turn[me]]
#ifdef ONE_CELL
#define NEXT_TURN
#else
#define NEXT_TURN turn[me] = 1 - turn[me]
#endif
#define WRITE                                                                              \
  STEP( IS_THERE(MY_CELL) -> d_step { i = MY_CELL; CLEAR(i); i = 0; MY_CELL = NONE; alone[1 - me] = false } ); \
  STEP( FREE -> create(CELL, my_epoch, memory, MY_CELL); NEXT_TURN )
#define CHECK                                     \
  STEP( ok = IS_THERE(coin[me]) );                \
  if :: LOST -> STOP :: else fi
#endif

/* Anchor::record(). With cells: the head is written, and then asked whether our anchor is still there. Without: the new one is made,
   then the old one destroyed, which succeeds for one copy alone. */
#if !defined(ANEW)
#if defined(NO_CHECK)
#define RECORD WRITE
#elif defined(CHECK_FIRST)
#define RECORD CHECK; WRITE
#else
#define RECORD WRITE; CHECK
#endif
#elif defined(DESTROY_FIRST)
#define RECORD                                                       \
  STEP( destroy(coin[me]) );                                         \
  if :: LOST -> STOP :: else fi;                                     \
  MAKE(ANCHOR, my_epoch, memory, coin[me])
#else
#define RECORD                                                       \
  MAKE(ANCHOR, my_epoch, memory, draft[me]);                              \
  STEP( destroy(coin[me]); if :: !(LOST) -> coin[me] = draft[me]; draft[me] = NONE :: else fi );  \
  if :: LOST -> STOP :: else fi
#endif

proctype copy(bit me) {
  byte i, j, newest, top, my_epoch, memory, unseen = NONE;
  bit ok;
  byte its_epoch;  /* what was chosen speaks for it */
#ifdef RESTORE_MARKS_LATER
  bit late;
#endif

off:
  atomic {
    up++;
#ifdef LIST_MISSES
    if :: unseen = NONE :: unseen = 0 :: unseen = 1 :: unseen = 2 fi;
#endif
    look();
    unseen = NONE;
#ifdef LIST_MISSES
    if :: newest == NONE -> goto killed :: else fi;
#endif
    assert(newest != NONE);
    if :: top >= EPOCHS -> goto killed :: else fi;
    my_epoch = top + 1
  }
  /* SqlCipherStore::open(), over whatever store there is: behind or beside the anchor is refused, without touching it. Then the claim. */
  atomic {
    memory = 0;
    do :: memory + 1 < nodes -> memory++ :: break od;
#ifndef EPOCH_FIRST
#ifdef RESTORE
    if
    :: line[memory] & (1 << newest)
    :: nodes < NODES && me == 0 && up == 1 ->  /* the appliance is stopped; officers are in one place */
      printf("copy %d restores a store of head %d\n", me, memory);
#if defined(RESTORE_UNMARKED)
      append(charges[memory])
#elif defined(RESTORE_MARKS_LATER)
      late = true
#else
      append(LIMIT)
#endif
    :: !(line[memory] & (1 << newest)) -> goto killed
    fi;
#else
    if :: !(line[memory] & (1 << newest)) -> goto killed :: else fi;
#endif
#endif
    printf("copy %d opens a store of head %d\n", me, memory);
#ifndef NO_CLAIM
    if :: FREE -> create(CLAIM, my_epoch, newest, mine[me]) :: !FREE -> goto killed fi
#endif
  }
#ifndef NO_CLAIM
  REWRITE(CLAIM, my_epoch, newest, mine[me]);
#endif
  /* Anchor::take_over(). */
  destroy_found();
  destroy_chosen();
#ifndef ANEW
  STEP( look_again() );
#ifndef NO_LOOK
  if :: !ok -> STOP :: else fi;
#endif
  destroy_found();
  destroy_chosen();
  /* One after the other, and told apart by nothing: a kill between leaves one where there may be two. */
  STEP( free > 1 -> create(CELL, my_epoch, memory, cells[me * 2]); create(CELL, my_epoch, memory, cells[me * 2 + 1]); turn[me] = 0 );
#endif
  MAKE(ANCHOR, my_epoch, memory, coin[me]);
#if !defined(NO_SECOND) && !defined(NO_CLAIM)
  STEP( destroy(mine[me]) );
  if :: LOST -> STOP :: else fi;
#endif
#ifdef EPOCH_FIRST
  if :: !(line[memory] & (1 << newest)) -> goto killed :: else fi;
#endif
  newest = 0; its_epoch = 0; top = 0; mine[me] = NONE;
#ifdef RESTORE_MARKS_LATER
  if :: late -> STEP( nodes < NODES; append(LIMIT) ); RECORD :: else fi;
  late = false;
#endif

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
    i = 0; j = 0; ok = 0; coin[me] = NONE; mine[me] = NONE;
#ifdef ANEW
    draft[me] = NONE;
#else
    cells[me * 2] = NONE; cells[me * 2 + 1] = NONE; turn[me] = 0;
#endif
    found[me] = 0; missed[me] = false;
    newest = 0; its_epoch = 0; top = 0; my_epoch = 0; memory = 0; alone[me] = false; up--;
#ifdef RESTORE_MARKS_LATER
    late = false;
#endif
    printf("copy %d is down\n", me)
  }
  goto off
}

init {
  atomic {
    line[0] = 1;
    /* The ceremony founded the store and made the first anchor. */
    epoch[0] = 1; free--;
#ifdef LOST_ANCHOR
    cell[0] = 1;  /* and of what it left a power cut took all but a cell */
#endif
    run copy(1);
    run copy(0)
  }
}
