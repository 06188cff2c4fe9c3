-- The first shape of the store. Checks make states that the model cannot reach impossible to write.
-- Times: `*_at` and `not_before` are wall-clock milliseconds, `renewed`, `renew_at` and `lease_until` are on the lease clock.

-- Two habits for speed: no check says `in (…)`, for which SQLite would build a table at each write; and no key is
-- `autoincrement`, which would write a page more, as rows whose numbers are shown are never deleted and so never reused.

-- Ties the lease clock to the machine's: lease time = time awake + offset, for one boot.
create table clock (
    one       integer primary key check (one = 1),
    boot      text    not null,
    offset_ms integer not null
) strict;

create table instance (
    id            text    primary key check (length(id) between 1 and 64),
    name          text    not null unique check (length(name) between 1 and 64),
    role          text    not null check (length(role) between 1 and 64),
    work_dir      text,
    metadata      text    check (json_valid(metadata)),
    current_task  text,
    session       text,
    -- Who registered it through the door; nobody for a process of the owner's.
    owner         text,
    incarnation   integer not null check (incarnation >= 1),
    registered_at integer not null,
    seen_at       integer not null,
    renewed       integer not null,
    lease_until   integer not null check (lease_until >= 0),
    renew_at      integer not null,
    version       integer not null
) strict, without rowid;

create unique index instance_session on instance (session) where session is not null;
create index instance_owner on instance (owner) where owner is not null;

create table task (
    id           integer primary key,
    title        text    not null check (length(title) between 1 and 300),
    state        text    not null
                 check (case state when 'pending' then 1 when 'claimed' then 1 when 'in_progress' then 1
                     when 'blocked' then 1 when 'completed' then 1 when 'failed' then 1 when 'cancelled' then 1 end is 1),
    -- The most urgent is 0.
    priority     integer not null check (priority between 0 and 9),
    -- Which queue it stands in: its lane (`>assignee`, `=role` or `/link`, made from the three columns below), and behind a `#`
    -- what it reserves, and where.
    queue        text    not null,
    role         text,
    assignee     text,
    link         text    check (link = 'plan' or link = 'build' or link = 'verify' or link = 'review' or link = 'accept'),
    chain_id     text,
    parent       integer references task (id),
    job          integer references job (id),
    repo         text,
    branch       text,
    labels       text    not null check (labels = '[]' or json_valid(labels)),
    -- What whoever claims it has to itself.
    reserves     text    check (json_valid(reserves)),
    not_before   integer,
    due          integer not null check (due in (0, 1)),
    unmet        integer not null check (unmet >= 0),
    -- How many tasks the longest chain has of those that wait for it.
    height       integer not null check (height >= 0),
    max_attempts integer not null check (max_attempts >= 1),
    attempt      integer not null check (attempt between 0 and token),
    lease_secs   integer not null check (lease_secs >= 1),
    token        integer not null check (token >= 0),
    holder       text,
    lease_until  integer,
    reason       text,
    created_by   text,
    created_at   integer not null,
    claimed_at   integer,
    started_at   integer,
    finished_at  integer,
    updated_at   integer not null,
    version      integer not null,
    standing     text    generated always as (
                     case when state <> 'pending' then state when unmet = 0 and due = 1 then 'ready' else 'waiting' end
                 ) virtual,
    check (due = 1 or not_before is not null),
    check ((state = 'claimed' or state = 'in_progress') = (lease_until is not null)),
    check ((state = 'completed' or state = 'failed' or state = 'cancelled') = (finished_at is not null)),
    -- Only what a plan told of as blocked or done was so without anybody here who claimed it.
    check (holder is not null or state = 'pending' or state = 'failed' or state = 'cancelled'
        or (claimed_at is null and lease_until is null)),
    check (state <> 'pending' or holder is null),
    check ((state <> 'claimed' and state <> 'in_progress') or (unmet = 0 and token >= 1))
) strict;

-- A claim takes the head of a few lanes: flat, however many tasks wait behind it or stand in other lanes.
create index task_ready on task (queue, priority, height desc, id) where state = 'pending' and unmet = 0 and due = 1;
-- Where there are very many different wishes in a lane, its tasks are looked at one by one instead of its queues.
create index task_wishing on task (substr(queue, 1, instr(queue, '#') - 1), priority, height desc, id)
    where instr(queue, '#') > 0 and state = 'pending' and unmet = 0 and due = 1;
-- What wants more than one named resource: it would starve, if nobody saw how long it waits.
create index task_wants_much on task (updated_at)
    where (instr(reserves, '","') > 0 or instr(reserves, '["@') = 0) and state = 'pending' and unmet = 0 and due = 1;
-- What is held moves often and is little, so the two long lists leave it out: `task_lease` finds it.
create index task_standing on task (standing, id) where lease_until is null;
create index task_role on task (role, standing, id) where role is not null and lease_until is null;
create index task_lease on task (lease_until) where lease_until is not null;
create index task_holder on task (holder, id) where lease_until is not null;
create index task_not_due on task (not_before) where state = 'pending' and due = 0;
create index task_assignee on task (assignee, id) where assignee is not null;
create index task_chain on task (chain_id, id) where chain_id is not null;
create index task_repo on task (repo, id) where repo is not null;
create index task_parent on task (parent, id) where parent is not null;
-- What is left of a job, the head of its longest chain first.
create index task_path on task (job, height)
    where job is not null and state <> 'completed' and state <> 'failed' and state <> 'cancelled';
create index task_job_standing on task (job, standing, id) where job is not null;

-- The long texts, which nothing that looks for a task has to read past. No row where there are none.
create table task_body (
    id   integer primary key references task (id),
    body text    not null check (json_valid(body))
) strict;

create table task_label (
    label text    not null,
    task  integer not null references task (id),
    primary key (label, task)
) strict, without rowid;

create table dependency (
    task  integer not null references task (id),
    needs integer not null references task (id),
    primary key (task, needs),
    check (task <> needs)
) strict, without rowid;

create index dependency_needs on dependency (needs, task);

-- A goal, and how far the tasks are that reach it.
create table job (
    id           integer primary key,
    goal         text    not null check (length(goal) between 1 and 2000),
    metadata     text    check (json_valid(metadata)),
    budget       text    not null check (json_valid(budget)),
    deadline     integer,
    created_by   text,
    created_at   integer not null,
    cancelled_at integer,
    reason       text,
    ended_at     integer,
    told         text,
    -- Where its tasks stand.
    ready        integer not null default 0 check (ready >= 0),
    waiting      integer not null default 0 check (waiting >= 0),
    claimed      integer not null default 0 check (claimed >= 0),
    in_progress  integer not null default 0 check (in_progress >= 0),
    blocked      integer not null default 0 check (blocked >= 0),
    completed    integer not null default 0 check (completed >= 0),
    failed       integer not null default 0 check (failed >= 0),
    cancelled    integer not null default 0 check (cancelled >= 0),
    -- How long those took that are done: how many, the sum and the sum of the squares.
    paced        integer not null default 0,
    millis       real    not null default 0,
    squares      real    not null default 0,
    -- What sessions used up for it: the sum of its lines in the ledger.
    dollars      real    not null default 0,
    tokens       integer not null default 0,
    turns        integer not null default 0,
    runs         integer not null default 0,
    unknown      integer not null default 0,
    -- Some of its tasks wait for tasks that are none of its own.
    crosses      integer not null default 0 check (crosses = 0 or crosses = 1),
    version      integer not null
) strict;

create index job_open on job (id) where ended_at is null;

-- The commits that tasks were completed with: one shows the work of one task.
create table task_of_commit (
    number text    primary key,
    task   integer not null references task (id)
) strict, without rowid;

-- By what a task is known again, whichever file tells of it.
create table task_key (
    key    text    primary key check (length(key) between 1 and 200),
    task   integer not null unique references task (id),
    -- The file that called it so; empty where none did.
    source text    not null
) strict, without rowid;

-- What tells the tasks of this team from those of others, in keys of the one that another may read.
create table team (
    one  integer primary key check (one = 1),
    mark text    not null check (length(mark) = 8)
) strict;

insert into team (one, mark) values (1, lower(hex(randomblob(4))));

-- What a file said of a task when it was imported last, or written: the next import of it is held against that.
create table told (
    source text not null,
    key    text not null,
    draft  text not null check (json_valid(draft)),
    primary key (source, key)
) strict, without rowid;

create index told_key on told (key);

-- How many tasks stand where, so that nobody has to count them: a row for each lane.
create table tally (
    lane        text    primary key,
    waiting     integer not null check (waiting >= 0),
    ready       integer not null check (ready >= 0),
    claimed     integer not null check (claimed >= 0),
    in_progress integer not null check (in_progress >= 0),
    blocked     integer not null check (blocked >= 0),
    completed   integer not null check (completed >= 0),
    failed      integer not null check (failed >= 0),
    cancelled   integer not null check (cancelled >= 0)
) strict, without rowid;

-- The queues of those that want something to themselves, or are about a repository, where something is ready: no row where
-- nothing is.
create table wanted (
    queue    text    primary key,
    reserves text    check (json_valid(reserves)),
    repo     text,
    ready    integer not null check (ready >= 1)
) strict, without rowid;

create table message (
    id           integer primary key,
    kind         text    not null check (kind = 'direct' or kind = 'broadcast' or kind = 'help' or kind = 'question' or kind = 'reply'),
    sender       text,
    sender_name  text    not null,
    sender_role  text,
    origin       text    not null check (origin in ('human', 'agent')),
    recipient    text    not null,
    body         text    not null,
    thread       integer references message (id),
    reply_to     integer references message (id),
    task         integer references task (id),
    needs_answer integer not null check (needs_answer in (0, 1)),
    sent_at      integer not null
) strict;

create index message_thread on message (thread, id) where thread is not null;
create index message_sender on message (sender, id) where sender is not null;

create table delivery (
    recipient        text    not null,
    message          integer not null references message (id),
    queued_at        integer not null,
    returned_at      integer,
    returned_process text,
    returned_call    text,
    seen_at          integer,
    acknowledged_at  integer,
    dismissed_at     integer,
    primary key (recipient, message),
    check ((returned_at is null) = (returned_process is null) and (returned_at is null) = (returned_call is null)),
    check (seen_at is null or returned_at is not null),
    check (acknowledged_at is null or seen_at is not null),
    check (dismissed_at is null or seen_at is not null)
) strict, without rowid;

create index delivery_message on delivery (message, recipient);
-- An inbox in one: what was never returned, then what was returned and waits for its receipt, all of it unread.
create index delivery_unseen on delivery (recipient, returned_at, message) where seen_at is null;

create table context (
    key        text    primary key check (length(key) between 1 and 256),
    version    integer not null check (version >= 1),
    revision   integer not null,
    value      text    check (json_valid(value)),
    author     text,
    written_at integer not null
) strict, without rowid;

create unique index context_revision on context (revision);

create table context_version (
    key        text    not null,
    version    integer not null check (version >= 1),
    revision   integer not null,
    value      text    check (json_valid(value)),
    author     text,
    written_at integer not null,
    primary key (key, version)
) strict, without rowid;

-- Who keeps which files and resources. Few at a time: what lapsed is removed when somebody reserves. What came with a task goes
-- with that claim, and has no lease of its own.
create table reservation (
    id          integer primary key,
    pattern     text    not null check (length(pattern) >= 1),
    holder      text    not null,
    task        integer references task (id),
    shared      integer not null check (shared in (0, 1)),
    reason      text,
    made_at     integer not null,
    lease_until integer,
    check ((task is null) = (lease_until is not null))
) strict;

create index reservation_task on reservation (task) where task is not null;

-- The Claude session behind an instance, as its hooks tell of it.
create table session (
    instance   text    primary key,
    client     text,
    inbox      text,
    transcript text,
    ringers    text    not null check (json_valid(ringers)),
    activity   text    not null,
    detail     text,
    since      integer not null,
    alive_at   integer not null,
    briefed    text    not null check (json_valid(briefed)),
    told       text    not null check (json_valid(told)),
    subagents  text    not null check (json_valid(subagents)),
    hooks      text    not null check (json_valid(hooks))
) strict, without rowid;

create unique index session_client on session (client) where client is not null;

-- What somebody is to be woken for, each ring, and what it brought.
create table wake (
    recipient text    not null,
    subject   text    not null,
    wanted_at integer not null,
    wanted    integer not null,
    tries     text    not null check (json_valid(tries)),
    answered  text    check (json_valid(answered)),
    primary key (recipient, subject)
) strict, without rowid;

create index wake_open on wake (recipient, wanted) where answered is null;

-- What the human is asked.
create table question (
    id          integer primary key,
    kind        text    not null check (kind = 'question' or kind = 'permission' or kind = 'limit' or kind = 'gate'),
    asker       text,
    asker_name  text    not null,
    task        integer references task (id),
    blocks      text    not null check (json_valid(blocks)),
    text        text    not null,
    options     text    not null check (json_valid(options)),
    fallback    text,
    due_at      integer,
    request     text    check (json_valid(request)),
    -- The process in which somebody waits, and without which nobody does.
    waiter      text,
    state       text    not null check (state = 'open' or state = 'answered' or state = 'lapsed' or state = 'withdrawn'),
    answer      text,
    decision    text    check (decision = 'approve' or decision = 'approve_always' or decision = 'deny'),
    answered_by text,
    asked_at    integer not null,
    ended_at    integer,
    version     integer not null,
    check ((state = 'open') = (ended_at is null)),
    check (state <> 'open' or (answer is null and decision is null)),
    check ((state = 'answered') = (answered_by is not null))
) strict;

create index question_open on question (asker, id) where state = 'open';
create index question_due on question (due_at) where state = 'open' and due_at is not null;
create index question_waiter on question (id) where state = 'open' and waiter is not null;
create index question_call on question (asker, json_extract(request, '$.call')) where kind = 'permission';
create index question_stands on question (asker, id) where kind = 'permission' and decision = 'approve_always';

-- Which requests for permission need no human.
create table policy (
    one  integer primary key check (one = 1),
    body text    not null check (json_valid(body))
) strict;

-- Who looks after the workers, and how far they may go.
create table fleet (
    one  integer primary key check (one = 1),
    body text    not null check (json_valid(body))
) strict;

-- What is wanted of each worker, and what was last seen of it.
create table worker (
    name text primary key check (length(name) between 1 and 64),
    body text not null check (json_valid(body))
) strict, without rowid;

-- Each life of a worker's process, with what it cost: nothing where nobody told.
create table run (
    id       integer primary key,
    worker   text    not null,
    number   integer not null,
    role     text    not null,
    model    text,
    task     integer references task (id),
    session  text,
    began_at integer not null,
    ended_at integer,
    outcome  text,
    dollars  real,
    tokens   integer,
    turns    integer,
    check ((ended_at is null) = (outcome is null))
) strict;

create unique index run_of_worker on run (worker, number);

-- The ledger: a row for each day, worker, model and task, so that nobody adds up runs. No model is an empty one, and no task 0; its job is that of the task.
create table spending (
    day     integer not null,
    worker  text    not null,
    role    text    not null,
    model   text    not null,
    task    integer not null,
    job     integer not null,
    dollars real    not null,
    tokens  integer not null,
    turns   integer not null,
    runs    integer not null,
    unknown integer not null,
    primary key (day, worker, role, model, task)
) strict, without rowid;

create index spending_task on spending (task) where task > 0;
create index spending_job on spending (job) where job > 0;

-- Only ever appended to, and pruned at its old end.
create table event (
    seq     integer primary key,
    at      integer not null,
    kind    text    not null,
    subject text    not null,
    actor   text,
    -- Written at each change of anything: its form is looked at no closer.
    data    text    check (data glob '{*}')
) strict;

-- An index of the events kept by hand: brought up to date every so many events, so that no commit pays for it alone.
create table event_subject (
    subject text    not null,
    seq     integer not null,
    primary key (subject, seq)
) strict, without rowid;

-- First answers of calls that carried an idempotency key.
create table answer (
    id        integer primary key,
    key       text    not null unique,
    operation text    not null,
    digest    text    not null,
    answer    text    not null check (json_valid(answer))
) strict;

-- What opens the door: all of it but the secret itself.
create table token (
    id         text    primary key check (length(id) between 1 and 32),
    principal  text    not null check (length(principal) between 1 and 64),
    access     text    not null check (access = 'read' or access = 'worker' or access = 'lead' or access = 'human'),
    hash       text    not null check (length(hash) = 64),
    created_at integer not null,
    expires_at integer,
    revoked_at integer
) strict, without rowid;

-- Who wants to be woken by what.
create table waiter (
    topic    text not null,
    doorbell text not null,
    primary key (topic, doorbell)
) strict, without rowid;

create index waiter_doorbell on waiter (doorbell);

-- Which notes on the board were carried out: for each place on it, the mark of the last one.
create table board (
    one   integer primary key check (one = 1),
    marks blob    not null
) strict;
