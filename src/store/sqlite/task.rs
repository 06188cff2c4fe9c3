//! Tasks in SQLite.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::message::address_of_name;
use crate::model::task::Body;
use crate::model::task::Priority;
use crate::model::task::Standing;
use crate::model::task::State;
use crate::model::task::Task;
use crate::model::task::WANTS;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::store::Tally;
use crate::store::TaskFilter;
use crate::store::Tasks;
use crate::store::Topic;
use crate::store::Wanted;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use crate::store::sqlite::filter::by_standing;
use crate::store::sqlite::filter::conditions;
use crate::store::sqlite::wanted::reserves_text;
use rusqlite::CachedStatement;
use rusqlite::OptionalExtension;
use rusqlite::Params;
use rusqlite::Row;
use rusqlite::named_params;
use rusqlite::types::FromSqlError;
use std::cmp::Reverse;
use std::str::FromStr;

/// What `read` reads, in its order. A macro, so that statements are constants: they are looked up by their text.
macro_rules! columns {
    () => {
        "id, title, state, priority, role, assignee, link, chain_id, parent, repo, branch, labels, not_before, due, unmet, \
         max_attempts, attempt, lease_secs, token, holder, lease_until, reason, created_by, created_at, claimed_at, \
         started_at, finished_at, updated_at, version, job, height, reserves"
    };
}
const BODY: usize = 32;
const NEEDS: usize = 33;

/// Of the tasks that failed, and of those that were cancelled, so many of the newest are asked who waits for them:
/// idle workers ask often, and what ended long ago is waited for no more.
const ENDED_LOOKED_AT: u32 = 200;

/// From more lanes than this on, it is cheaper to ask first which of them hold anything.
const LANES_LOOKED_AT: usize = 3;

fn state_of(word: &str) -> State {
    match word {
        "claimed" => State::Claimed,
        "in_progress" => State::InProgress,
        "blocked" => State::Blocked,
        "completed" => State::Completed,
        "failed" => State::Failed,
        "cancelled" => State::Cancelled,
        _ => State::Pending,
    }
}

/// The task without its long texts and its dependencies.
fn read(row: &Row) -> rusqlite::Result<Task> {
    let moment = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let labels = row.get_ref(11)?.as_str()?;
    Ok(Task {
        id: TaskId::from_number(row.get(0)?),
        title: row.get(1)?,
        state: state_of(row.get_ref(2)?.as_str()?),
        priority: Priority::of_urgency(Priority::URGENCY_MAX.saturating_sub(row.get(3)?)).unwrap_or_default(),
        role: row.get(4)?,
        assignee: row.get(5)?,
        link: row.get_ref(6)?.as_str_or_null()?.and_then(|word| word.parse().ok()),
        chain_id: row.get(7)?,
        parent: row.get::<_, Option<i64>>(8)?.map(TaskId::from_number),
        job: row.get::<_, Option<i64>>(29)?.map(JobId::from_number),
        repo: row.get(9)?,
        branch: row.get(10)?,
        labels: if labels == "[]" { Vec::new() } else { serde_json::from_str(labels).unwrap_or_default() },
        reserves: match row.get_ref(31)?.as_str_or_null()? {
            Some(reserves) => serde_json::from_str(reserves).map_err(FromSqlError::other)?,
            None => Vec::new(),
        },
        not_before: moment(12)?,
        due: row.get(13)?,
        depends_on: Vec::new(),
        unmet: row.get(14)?,
        height: row.get(30)?,
        max_attempts: row.get(15)?,
        attempt: row.get(16)?,
        lease_secs: row.get(17)?,
        token: row.get::<_, i64>(18)? as u64,
        holder: row.get::<_, Option<String>>(19)?.map(InstanceId::from_stored),
        lease_until: row.get::<_, Option<i64>>(20)?.map(Tick::from_millis),
        reason: row.get(21)?,
        created_by: row.get::<_, Option<String>>(22)?.map(InstanceId::from_stored),
        created_at: Timestamp::from_millis(row.get(23)?),
        claimed_at: moment(24)?,
        started_at: moment(25)?,
        finished_at: moment(26)?,
        updated_at: Timestamp::from_millis(row.get(27)?),
        body: Body::default(),
        version: row.get::<_, i64>(28)? as u64,
    })
}

/// The whole task.
fn read_whole(row: &Row) -> rusqlite::Result<Task> {
    let mut task = read(row)?;
    if let Some(body) = row.get_ref(BODY)?.as_str_or_null()? {
        task.body = serde_json::from_str(body).map_err(FromSqlError::other)?;
    }
    let needs = row.get_ref(NEEDS)?.as_str_or_null()?.into_iter().flat_map(|list| list.split(','));
    task.depends_on = needs.filter_map(|number| number.parse().ok()).map(TaskId::from_number).collect();
    Ok(task)
}

impl SqliteTx<'_> {
    fn tasks(&self, sql: &str, values: impl Params) -> Result<Vec<Task>> {
        self.db().prepare_cached(sql).and_then(|mut list| list.query_map(values, read)?.collect()).map_err(failed)
    }

    pub(super) fn change(&self, sql: &str, values: impl Params) -> Result<usize> {
        self.writable()?.prepare_cached(sql).and_then(|mut change| change.execute(values)).map_err(failed)
    }

    pub(super) fn number(&self, sql: &str, values: impl Params) -> Result<u64> {
        self.db()
            .prepare_cached(sql)
            .and_then(|mut count| count.query_row(values, |row| row.get::<_, i64>(0)))
            .map(|count| count as u64)
            .map_err(failed)
    }

    /// Where the task stood when it was last written, if that is the version we know.
    fn stood(&self, task: &Task) -> Result<Option<(String, Standing)>> {
        if let Some(stood) = self.store.memo.stood(task) {
            return Ok(Some(stood));
        }
        self.db()
            .prepare_cached("select queue, standing from task where id = ?1 and version = ?2")
            .and_then(|mut find| {
                find.query_row((task.id.number(), task.version as i64), |row| {
                    let standing = Standing::from_str(row.get_ref(1)?.as_str()?).unwrap_or(Standing::Waiting);
                    Ok((row.get(0)?, standing))
                })
                .optional()
            })
            .map_err(failed)
    }

    /// Do the write that `write` does, unless somebody else changed the task, and keep the counts and the waiters true.
    fn rewrite(&mut self, task: &mut Task, write: impl FnOnce(&mut Self, &mut Task) -> Result<usize>) -> Result<()> {
        let Some((queue, standing)) = self.stood(task)? else {
            return Err(Error::new(Kind::Conflict, format!("task `{}` changed meanwhile", task.id)));
        };
        if write(self, task)? == 0 {
            return Err(Error::internal(format!("task `{}` is not as it was read", task.id)));
        }
        task.version += 1;
        let stands = (task.queue(), task.standing());
        if queue != stands.0 {
            self.count(&queue, &[(standing, -1)])?;
            self.count(&stands.0, &[(stands.1, 1)])?;
        } else if standing != stands.1 {
            self.count(&queue, &[(standing, -1), (stands.1, 1)])?;
        }
        if queue != stands.0 || standing != stands.1 {
            self.unwant(&queue, standing)?;
            self.want(task)?;
            // Others may have waited for it.
            if standing == Standing::Ready && queue.contains(WANTS) && !is_held(stands.1) {
                self.touch(Topic::Ready);
            }
        }
        if !task.reserves.is_empty() && is_held(standing) && !is_held(stands.1) {
            self.free_of_task(task.id)?;
        }
        if standing != stands.1 {
            self.count_in_job(task.job, &[(standing, -1), (stands.1, 1)])?;
            self.follow_height(task.id, standing, stands.1)?;
            self.note_held_up(task, standing, stands.1)?;
        }
        self.store.memo.keep_standing(task);
        self.touch(Topic::Task(task.id));
        Ok(())
    }

    /// The head of a queue, by what decides between heads.
    fn head_of_queue(&self, queue: &str) -> Result<Option<(i64, Reverse<u32>, TaskId)>> {
        let sql =
            "select priority, height, id from task where queue = ?1 and state = 'pending' and unmet = 0 and due = 1
                       order by priority, height desc, id limit 1";
        let read = |row: &Row| Ok((row.get(0)?, Reverse(row.get(1)?), TaskId::from_number(row.get(2)?)));
        self.db().prepare_cached(sql).and_then(|mut find| find.query_row([queue], read).optional()).map_err(failed)
    }

    fn write_labels(&self, task: &Task) -> Result<()> {
        for label in &task.labels {
            self.change("insert or ignore into task_label (label, task) values (?1, ?2)", (label, task.id.number()))?;
        }
        Ok(())
    }
}

fn is_held(standing: Standing) -> bool {
    matches!(standing, Standing::Claimed | Standing::InProgress)
}

fn labels_json(task: &Task) -> Result<String> {
    serde_json::to_string(&task.labels).map_err(Error::internal)
}

fn body_json(task: &Task) -> Result<String> {
    serde_json::to_string(&task.body).map_err(Error::internal)
}

fn urgency(task: &Task) -> u8 {
    Priority::URGENCY_MAX - task.priority.urgency()
}

impl Tasks for SqliteTx<'_> {
    fn task(&mut self, id: TaskId) -> Result<Option<Task>> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            ", (select body from task_body b where b.id = task.id),
               (select group_concat(needs) from (select needs from dependency where task = task.id order by needs))
             from task where id = ?1"
        );
        let found = self
            .db()
            .prepare_cached(SELECT)
            .and_then(|mut find| find.query_row([id.number()], read_whole).optional())
            .map_err(failed)?;
        if let Some(task) = &found {
            self.store.memo.keep_standing(task);
        }
        Ok(found)
    }

    fn insert_task(&mut self, task: &mut Task) -> Result<()> {
        task.version = 1;
        self.writable()?
            .prepare_cached(
                "insert into task (title, state, priority, queue, role, assignee, link, chain_id, parent, job, repo, branch,
                    labels, reserves, not_before, due, unmet, height, max_attempts, attempt, lease_secs, token, reason, created_by,
                    created_at, updated_at, version)
                 values (:title, 'pending', :priority, :queue, :role, :assignee, :link, :chain_id, :parent, :job, :repo, :branch,
                    :labels, :reserves, :not_before, :due, 0, :height, :max_attempts, 0, :lease_secs, 0, null, :created_by,
                    :created_at, :created_at, 1)",
            )
            .and_then(|mut insert| {
                insert.execute(named_params! {
                    ":title": task.title,
                    ":priority": urgency(task),
                    ":queue": task.queue(),
                    ":role": task.role,
                    ":assignee": task.assignee,
                    ":link": task.link.map(|link| link.word()),
                    ":chain_id": task.chain_id,
                    ":parent": task.parent.map(TaskId::number),
                    ":job": task.job.map(JobId::number),
                    ":repo": task.repo,
                    ":branch": task.branch,
                    ":labels": labels_json(task).unwrap_or_default(),
                    ":reserves": reserves_text(task),
                    ":not_before": task.not_before.map(Timestamp::millis),
                    ":due": task.due,
                    ":height": task.height,
                    ":max_attempts": task.max_attempts,
                    ":lease_secs": task.lease_secs,
                    ":created_by": task.created_by.as_ref().map(InstanceId::as_str),
                    ":created_at": task.created_at.millis(),
                })
            })
            .map_err(failed)?;
        task.id = TaskId::from_number(self.db().last_insert_rowid());
        if task.body != Body::default() {
            self.update_task_body(task)?;
        }
        self.write_labels(task)?;
        self.write_dependencies(task)?;
        if task.unmet > 0 {
            self.change("update task set unmet = ?2 where id = ?1", (task.id.number(), task.unmet))?;
        }
        self.count(&task.lane(), &[(task.standing(), 1)])?;
        self.want(task)?;
        self.count_in_job(task.job, &[(task.standing(), 1)])?;
        self.touch(Topic::Task(task.id));
        Ok(())
    }

    fn update_task(&mut self, task: &mut Task) -> Result<()> {
        self.rewrite(task, |tx, task| {
            tx.change(
                "update task set state = :state, due = :due, max_attempts = :max_attempts, attempt = :attempt,
                    lease_secs = :lease_secs, token = :token, holder = :holder, lease_until = :lease_until,
                    reason = :reason, claimed_at = :claimed_at, started_at = :started_at, finished_at = :finished_at,
                    updated_at = :updated_at, version = version + 1
                 where id = :id and version = :version",
                named_params! {
                    ":state": task.state.word(),
                    ":due": task.due,
                    ":max_attempts": task.max_attempts,
                    ":attempt": task.attempt,
                    ":lease_secs": task.lease_secs,
                    ":token": task.token as i64,
                    ":holder": task.holder.as_ref().map(InstanceId::as_str),
                    ":lease_until": task.lease_until.map(Tick::millis),
                    ":reason": task.reason,
                    ":claimed_at": task.claimed_at.map(Timestamp::millis),
                    ":started_at": task.started_at.map(Timestamp::millis),
                    ":finished_at": task.finished_at.map(Timestamp::millis),
                    ":updated_at": task.updated_at.millis(),
                    ":id": task.id.number(),
                    ":version": task.version as i64,
                },
            )
        })
    }

    fn update_task_fields(&mut self, task: &mut Task) -> Result<()> {
        self.rewrite(task, |tx, task| {
            let id = task.id.number();
            tx.change("delete from task_label where task = ?1 and label in (select value from json_each((select labels from task where id = ?1)))", [id])?;
            tx.write_labels(task)?;
            tx.change(
                "update task set title = :title, priority = :priority, queue = :queue, role = :role, assignee = :assignee,
                    link = :link, repo = :repo, branch = :branch, labels = :labels, reserves = :reserves, chain_id = :chain_id,
                    parent = :parent, not_before = :not_before, due = :due, max_attempts = :max_attempts,
                    lease_secs = :lease_secs, updated_at = :updated_at, version = version + 1
                 where id = :id and version = :version",
                named_params! {
                    ":title": task.title,
                    ":priority": urgency(task),
                    ":queue": task.queue(),
                    ":role": task.role,
                    ":assignee": task.assignee,
                    ":link": task.link.map(|link| link.word()),
                    ":repo": task.repo,
                    ":branch": task.branch,
                    ":labels": labels_json(task)?,
                    ":reserves": reserves_text(task),
                    ":not_before": task.not_before.map(Timestamp::millis),
                    ":due": task.due,
                    ":max_attempts": task.max_attempts,
                    ":lease_secs": task.lease_secs,
                    ":chain_id": task.chain_id,
                    ":parent": task.parent.map(TaskId::number),
                    ":updated_at": task.updated_at.millis(),
                    ":id": id,
                    ":version": task.version as i64,
                },
            )
        })?;
        self.update_task_body(task)
    }

    fn update_task_body(&mut self, task: &Task) -> Result<()> {
        let write =
            "insert into task_body (id, body) values (?1, ?2) on conflict (id) do update set body = excluded.body";
        self.change(write, (task.id.number(), body_json(task)?)).map(drop)
    }

    fn set_dependencies(&mut self, task: &mut Task) -> Result<()> {
        self.rewrite(task, |tx, task| {
            let before = tx.needs(task.id)?;
            tx.change("delete from dependency where task = ?1", [task.id.number()])?;
            tx.write_dependencies(task)?;
            tx.settle_heights(before)?;
            tx.change(
                "update task set unmet = ?3, version = version + 1 where id = ?1 and version = ?2",
                (task.id.number(), task.version as i64, task.unmet),
            )
        })
    }

    fn next_ready(&mut self, ranks: &[Vec<String>]) -> Result<Option<Task>> {
        for queues in ranks {
            // One look at the head of each queue: cheaper than one statement that looks at all of them. Of many lanes
            // most are empty, and one look at the counts says which.
            let stocked = if queues.len() > LANES_LOOKED_AT { Some(self.stocked_queues(queues)?) } else { None };
            let queues = stocked.as_ref().unwrap_or(queues);
            let heads = queues.iter().map(|queue| self.head_of_queue(queue)).collect::<Result<Vec<_>>>()?;
            if let Some((.., id)) = heads.into_iter().flatten().min() {
                return self.task(id);
            }
        }
        Ok(None)
    }

    fn wanted(&mut self, most: u32) -> Result<Vec<Wanted>> {
        self.wanted_queues(most)
    }

    fn walk_wishing(&mut self, lane: &str, visit: &mut dyn FnMut(&Task) -> bool) -> Result<()> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            " from task where substr(queue, 1, instr(queue, '#') - 1) = ?1 and instr(queue, '#') > 0
                 and state = 'pending' and unmet = 0 and due = 1 order by priority, height desc, id"
        );
        let mut walk = |mut list: CachedStatement<'_>| {
            let mut rows = list.query([lane])?;
            while let Some(row) = rows.next()? {
                if !visit(&read(row)?) {
                    break;
                }
            }
            Ok(())
        };
        self.db().prepare_cached(SELECT).and_then(&mut walk).map_err(failed)
    }

    fn ready_in_queue(&mut self, queue: &str, limit: u32) -> Result<Vec<Task>> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            " from task where queue = ?1 and state = 'pending' and unmet = 0 and due = 1 order by priority, height desc, id limit ?2"
        );
        self.tasks(SELECT, (queue, limit))
    }

    fn ready_for_much(&mut self, since: Timestamp, limit: u32) -> Result<Vec<Task>> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            " from task where (instr(reserves, '\",\"') > 0 or instr(reserves, '[\"@') = 0) and state = 'pending' and unmet = 0
                 and due = 1 and updated_at <= ?1 order by updated_at limit ?2"
        );
        self.tasks(SELECT, (since.millis(), limit))
    }

    fn lapsed_tasks(&mut self, tick: Tick, limit: u32) -> Result<Vec<Task>> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            " from task where lease_until is not null and lease_until <= ?1 order by lease_until limit ?2"
        );
        self.tasks(SELECT, (tick.millis(), limit))
    }

    fn wake_due_tasks(&mut self, at: Timestamp, limit: u32) -> Result<u32> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            " from task where state = 'pending' and due = 0 and not_before <= ?1 order by not_before limit ?2"
        );
        let mut due = self.tasks(SELECT, (at.millis(), limit))?;
        for task in &mut due {
            task.due = true;
            task.updated_at = at;
            self.update_task(task)?;
        }
        Ok(due.len() as u32)
    }

    fn held_tasks(&mut self, holder: &InstanceId, limit: u32) -> Result<Vec<Task>> {
        const SELECT: &str = concat!(
            "select ",
            columns!(),
            " from task where holder = ?1 and lease_until is not null order by id limit ?2"
        );
        self.tasks(SELECT, (holder.as_str(), limit))
    }

    fn renew_claims(&mut self, holder: &InstanceId, now: Tick) -> Result<()> {
        let sql = "update task set lease_until = ?2 + lease_secs * 1000 where holder = ?1 and lease_until is not null";
        self.change(sql, (holder.as_str(), now.millis())).map(drop)
    }

    fn dependency_met(&mut self, done: TaskId) -> Result<u32> {
        self.open_to_dependants(done)
    }

    fn dependants_of(&mut self, id: TaskId, limit: u32) -> Result<Vec<TaskId>> {
        self.db()
            .prepare_cached("select task from dependency where needs = ?1 order by task limit ?2")
            .and_then(|mut list| {
                list.query_map((id.number(), limit), |row| Ok(TaskId::from_number(row.get(0)?)))?.collect()
            })
            .map_err(failed)
    }

    fn ready_dependants(&mut self, done: TaskId, limit: u32) -> Result<Vec<(TaskId, String)>> {
        self.db()
            .prepare_cached(
                "select id, assignee from task
                 where id in (select task from dependency where needs = ?1) and assignee is not null and standing = 'ready'
                 order by id limit ?2",
            )
            .and_then(|mut list| {
                list.query_map((done.number(), limit), |row| Ok((TaskId::from_number(row.get(0)?), row.get(1)?)))?.collect()
            })
            .map_err(failed)
    }

    fn count_freed_by(&mut self, id: TaskId, looked_at: u32) -> Result<u64> {
        let sql = "select count(*) from (select task from dependency where needs = ?1 limit ?2) d join task t on t.id = d.task
                   where t.state = 'pending' and t.unmet = 1 and t.due = 1";
        self.number(sql, (id.number(), looked_at))
    }

    fn dependencies_of(&mut self, id: TaskId) -> Result<Vec<(TaskId, Standing)>> {
        self.db()
            .prepare_cached(
                "select t.id, t.standing from dependency d join task t on t.id = d.needs where d.task = ?1 order by t.id",
            )
            .and_then(|mut list| {
                list.query_map([id.number()], |row| {
                    let standing = Standing::from_str(row.get_ref(1)?.as_str()?).unwrap_or(Standing::Waiting);
                    Ok((TaskId::from_number(row.get(0)?), standing))
                })?
                .collect()
            })
            .map_err(failed)
    }

    fn list_tasks(&mut self, filter: &TaskFilter, limit: u32) -> Result<Vec<Task>> {
        let conditions = conditions(filter).value(limit, ":limit");
        let order = match filter.after {
            Some(_) => "order by id limit :limit",
            None => "order by id desc limit :limit",
        };
        let found = by_standing(filter, &conditions.sql, columns!(), order);
        self.tasks(&format!("select * from ({found}) {order}"), &*conditions.values())
    }

    fn count_tasks(&mut self, filter: &TaskFilter, most: u64) -> Result<u64> {
        let conditions = conditions(filter).value(most as i64, ":most");
        let found = by_standing(filter, &conditions.sql, "id", "limit :most");
        let sql = format!("select count(*) from (select 1 from ({found}) limit :most)");
        self.number(&sql, &*conditions.values())
    }

    fn tally(&mut self) -> Result<Vec<Tally>> {
        self.tallies()
    }

    fn count_stuck(&mut self, most: u64) -> Result<u64> {
        let ended = |standing: &str| {
            format!(
                "select * from (select id from task where standing = '{standing}' and lease_until is null
                    order by id desc limit ?2)"
            )
        };
        let sql = format!(
            "select count(*) from (
                select distinct d.task from ({} union all {}) t join dependency d on d.needs = t.id
                    join task w on w.id = d.task where w.state = 'pending' limit ?1)",
            ended("failed"),
            ended("cancelled")
        );
        self.number(&sql, (most as i64, ENDED_LOOKED_AT))
    }

    fn next_lapse(&mut self) -> Result<Option<Tick>> {
        self.db()
            .prepare_cached("select min(lease_until) from task where lease_until is not null")
            .and_then(|mut next| next.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .map(|tick| tick.map(Tick::from_millis))
            .map_err(failed)
    }

    fn next_due(&mut self) -> Result<Option<Timestamp>> {
        self.db()
            .prepare_cached("select min(not_before) from task where state = 'pending' and due = 0")
            .and_then(|mut next| next.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .map(|at| at.map(Timestamp::from_millis))
            .map_err(failed)
    }

    fn assign_waiting(&mut self, name: &str, to: &InstanceId) -> Result<()> {
        const SELECT: &str = concat!("select ", columns!(), " from task where assignee = ?1");
        for mut task in self.tasks(SELECT, [address_of_name(name)])? {
            task.assignee = Some(to.as_str().to_owned());
            self.rewrite(&mut task, |tx, task| {
                tx.change(
                    "update task set assignee = ?3, queue = ?4, version = version + 1 where id = ?1 and version = ?2",
                    (task.id.number(), task.version as i64, &task.assignee, task.queue()),
                )
            })?;
        }
        Ok(())
    }
}
