//! Jobs in SQLite, each with the counts of its tasks.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::job::Counts;
use crate::model::job::Job;
use crate::model::job::Pace;
use crate::model::job::State;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::store::JobFilter;
use crate::store::Jobs;
use crate::store::Tasks;
use crate::store::Topic;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::conditions::Conditions;
use crate::store::sqlite::failed;
use crate::store::sqlite::json::json;
use crate::store::sqlite::json::of_json;
use crate::store::sqlite::spending::read_sums;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;
use std::cmp::Reverse;

const COLUMNS: &str = "id, goal, metadata, budget, deadline, created_by, created_at, cancelled_at, reason, ended_at, \
                       ready, waiting, claimed, in_progress, blocked, completed, failed, cancelled, paced, millis, \
                       squares, crosses, version, dollars, tokens, turns, runs, unknown, told";
/// The first of the counts, which stand in the order of `Standing::ALL`.
const COUNTS: usize = 10;

/// Of what another job's tasks wait for so many are looked at.
const NEEDED_LOOKED_AT: u32 = 10_000;
/// Something comes of such a task by itself, or by the human's word at its gate.
const MOVES: &str = "t.standing in ('ready', 'claimed', 'in_progress')
    or (t.state = 'pending' and t.due = 0 and t.not_before is not null)
    or (t.state = 'blocked' and exists (
        select 1 from question q where q.task = t.id and q.kind = 'gate' and q.state = 'open'))";

/// Of what ended without being done so many of the newest are asked who waits for them.
const ENDED_LOOKED_AT: u32 = 100;

fn read(row: &Row) -> rusqlite::Result<Job> {
    let moment = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let mut counts = Counts::default();
    for (at, count) in counts.0.iter_mut().enumerate() {
        *count = row.get::<_, i64>(COUNTS + at)? as u64;
    }
    Ok(Job {
        id: JobId::from_number(row.get(0)?),
        goal: row.get(1)?,
        metadata: row.get::<_, Option<String>>(2)?.map(|text| of_json(&text)),
        budget: of_json(&row.get::<_, String>(3)?),
        deadline: moment(4)?,
        created_by: row.get::<_, Option<String>>(5)?.map(InstanceId::from_stored),
        created_at: Timestamp::from_millis(row.get(6)?),
        cancelled_at: moment(7)?,
        reason: row.get(8)?,
        ended_at: moment(9)?,
        told: row.get_ref(28)?.as_str_or_null()?.and_then(State::of_word),
        counts,
        pace: Pace { tasks: row.get::<_, i64>(18)? as u64, millis: row.get(19)?, squares: row.get(20)? },
        waits_for_others: row.get(21)?,
        spent: read_sums(row, 23)?,
        version: row.get::<_, i64>(22)? as u64,
    })
}

fn conditions(filter: &JobFilter) -> Conditions {
    let ended = filter.ended.map(|ended| if ended { "ended_at is not null" } else { "ended_at is null" });
    let mut conditions = Conditions::default().given(filter.before.map(JobId::number), ":before", "id < :before");
    if let Some(ended) = ended {
        conditions.sql.push_str(" and ");
        conditions.sql.push_str(ended);
    }
    conditions
}

impl Jobs for SqliteTx<'_> {
    fn job(&mut self, id: JobId) -> Result<Option<Job>> {
        self.db()
            .prepare_cached(&format!("select {COLUMNS} from job where id = ?1"))
            .and_then(|mut find| find.query_row([id.number()], read).optional())
            .map_err(failed)
    }

    fn insert_job(&mut self, job: &mut Job) -> Result<()> {
        let db = self.writable()?;
        db.prepare_cached(
            "insert into job (goal, metadata, budget, deadline, created_by, created_at, version)
             values (:goal, :metadata, :budget, :deadline, :created_by, :created_at, 1)",
        )
        .and_then(|mut insert| {
            insert.execute(named_params! {
                ":goal": job.goal,
                ":metadata": job.metadata.as_ref().map(json),
                ":budget": json(&job.budget),
                ":deadline": job.deadline.map(Timestamp::millis),
                ":created_by": job.created_by.as_ref().map(InstanceId::as_str),
                ":created_at": job.created_at.millis(),
            })
        })
        .map_err(failed)?;
        job.id = JobId::from_number(db.last_insert_rowid());
        job.version = 1;
        self.touch(Topic::Job(job.id));
        Ok(())
    }

    fn update_job(&mut self, job: &mut Job) -> Result<()> {
        let values = named_params! {
            ":id": job.id.number(),
            ":version": job.version as i64,
            ":cancelled_at": job.cancelled_at.map(Timestamp::millis),
            ":reason": job.reason,
            ":ended_at": job.ended_at.map(Timestamp::millis),
            ":told": job.told.map(State::word),
        };
        let sql = "update job set cancelled_at = :cancelled_at, reason = :reason, ended_at = :ended_at, told = :told,
                       version = version + 1 where id = :id and version = :version";
        if self.change(sql, values)? == 0 {
            return Err(Error::new(Kind::Conflict, format!("job `{}` changed meanwhile", job.id)));
        }
        job.version += 1;
        self.changed_jobs.insert(job.id);
        self.touch(Topic::Job(job.id));
        Ok(())
    }

    fn list_jobs(&mut self, filter: &JobFilter, limit: u32) -> Result<Vec<Job>> {
        let conditions = conditions(filter).value(limit, ":limit");
        let sql = format!("select {COLUMNS} from job where true{} order by id desc limit :limit", conditions.sql);
        self.db()
            .prepare_cached(&sql)
            .and_then(|mut list| list.query_map(&*conditions.values(), read)?.collect())
            .map_err(failed)
    }

    fn count_jobs(&mut self, filter: &JobFilter, most: u64) -> Result<u64> {
        let conditions = conditions(filter).value(most as i64, ":most");
        let sql = format!("select count(*) from (select 1 from job where true{} limit :most)", conditions.sql);
        self.number(&sql, &*conditions.values())
    }

    fn keep_pace(&mut self, id: JobId, millis: i64) -> Result<()> {
        let mut pace = Pace::default();
        pace.add(millis);
        let sql = "update job set paced = paced + 1, millis = millis + ?2, squares = squares + ?3 where id = ?1";
        self.change(sql, (id.number(), pace.millis, pace.squares)).map(drop)
    }

    fn job_waits_for_others(&mut self, job: &Job) -> Result<bool> {
        let id = job.id.number();
        let not_due = "select exists (select 1 from task indexed by task_not_due
                           where state = 'pending' and due = 0 and not_before is not null and job = ?1)";
        if self.number(not_due, [id])? > 0 {
            return Ok(true);
        }
        if !job.waits_for_others {
            return Ok(false);
        }
        // What it waits for may itself wait for others, and so on: does anything move at the end of that?
        let sql = format!(
            "with recursive needed (id) as (
                 select d.needs from task w join dependency d on d.task = w.id join task t on t.id = d.needs
                 where w.job = ?1 and w.standing = 'waiting' and (t.job is null or t.job <> ?1) and t.finished_at is null
                 union
                 select d.needs from needed join task t on t.id = needed.id and t.standing = 'waiting'
                     join dependency d on d.task = t.id
                 limit {NEEDED_LOOKED_AT})
             select exists (
                 select 1 from needed join task t on t.id = needed.id where {MOVES})"
        );
        Ok(self.number(&sql, [id])? > 0)
    }

    fn holding_up(&mut self, id: JobId, limit: u32) -> Result<Vec<(Task, u64)>> {
        let arm = |standing: &str, most: u32| {
            format!(
                "select * from (select id from task where job = ?1 and standing = '{standing}' order by id desc limit {most})"
            )
        };
        let waited_for = "exists (select 1 from dependency d join task w on w.id = d.task
                              where d.needs = e.id and w.state = 'pending')";
        // What is blocked holds up the job itself.
        // And so does what is held up elsewhere, where something waits for that.
        let crosses =
            self.number("select exists (select 1 from job where id = ?1 and crosses = 1)", [id.number()])? > 0;
        let elsewhere = match crosses {
            true => {
                "select distinct t.id from task w join dependency d on d.task = w.id join task t on t.id = d.needs
                 where w.job = ?1 and w.standing = 'waiting' and (t.job is null or t.job <> ?1)
                     and t.standing in ('blocked', 'failed', 'cancelled', 'waiting')"
            }
            false => "select id from task where false",
        };
        let sql = format!(
            "select id from ({}) union all select id from ({} union all {}) e where {waited_for}
             union all select id from ({elsewhere} limit ?2) limit ?2",
            arm("blocked", limit),
            arm("failed", ENDED_LOOKED_AT),
            arm("cancelled", ENDED_LOOKED_AT),
        );
        let found: Vec<i64> = self
            .db()
            .prepare_cached(&sql)
            .and_then(|mut list| list.query_map((id.number(), limit), |row| row.get(0))?.collect())
            .map_err(failed)?;
        let mut holding_up = Vec::with_capacity(found.len());
        for task in found {
            let waiting = "select count(*) from dependency d join task w on w.id = d.task
                           where d.needs = ?1 and w.state = 'pending'";
            let waiting = self.number(waiting, [task])?;
            holding_up.extend(self.task(TaskId::from_number(task))?.map(|task| (task, waiting)));
        }
        holding_up.sort_by_key(|(task, waiting)| (Reverse(*waiting), task.id));
        Ok(holding_up)
    }

    fn longest_chain(&mut self, id: JobId, steps: u32) -> Result<(u64, Vec<TaskId>)> {
        let head: Option<(i64, u32)> = self
            .db()
            .prepare_cached(
                "select id, height from task where job = ?1 and state <> 'completed' and state <> 'failed'
                     and state <> 'cancelled' order by height desc, id desc limit 1",
            )
            .and_then(|mut find| find.query_row([id.number()], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(failed)?;
        let Some((head, height)) = head else { return Ok((0, Vec::new())) };
        let mut chain = vec![TaskId::from_number(head)];
        let mut left = height;
        while left > 0 && chain.len() < steps as usize {
            left -= 1;
            let next: Option<i64> = self
                .db()
                .prepare_cached(
                    "select w.id from dependency d join task w on w.id = d.task
                     where d.needs = ?1 and w.height = ?2 and w.finished_at is null limit 1",
                )
                .and_then(|mut find| {
                    find.query_row((chain[chain.len() - 1].number(), left), |row| row.get(0)).optional()
                })
                .map_err(failed)?;
            let Some(next) = next else { break };
            chain.push(TaskId::from_number(next));
        }
        Ok((u64::from(height) + 1, chain))
    }

    fn take_changed_jobs(&mut self) -> Vec<JobId> {
        std::mem::take(&mut self.changed_jobs).into_iter().collect()
    }
}

impl SqliteTx<'_> {
    /// Keep the counts of a job, when its tasks come to stand elsewhere.
    pub(super) fn count_in_job(&mut self, job: Option<JobId>, changes: &[(Standing, i64)]) -> Result<()> {
        let Some(id) = job else { return Ok(()) };
        let mut by = [0_i64; Standing::ALL.len()];
        changes.iter().for_each(|(standing, change)| by[*standing as usize] += change);
        let [ready, waiting, claimed, in_progress, blocked, completed, failed, cancelled] = by;
        self.change(
            "update job set ready = ready + ?2, waiting = waiting + ?3, claimed = claimed + ?4,
                 in_progress = in_progress + ?5, blocked = blocked + ?6, completed = completed + ?7,
                 failed = failed + ?8, cancelled = cancelled + ?9 where id = ?1",
            (id.number(), ready, waiting, claimed, in_progress, blocked, completed, failed, cancelled),
        )?;
        self.changed_jobs.insert(id);
        self.touch(Topic::Job(id));
        Ok(())
    }

    /// What became ready as this was done, in whatever jobs.
    pub(super) fn ready_in_jobs(&mut self, done: TaskId) -> Result<()> {
        let ready: Vec<(i64, i64)> = self
            .db()
            .prepare_cached(
                "select job, count(*) from task where id in (select task from dependency where needs = ?1)
                     and standing = 'ready' and job is not null group by job",
            )
            .and_then(|mut list| list.query_map([done.number()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(failed)?;
        for (job, became_ready) in ready {
            let changes = [(Standing::Waiting, -became_ready), (Standing::Ready, became_ready)];
            self.count_in_job(Some(JobId::from_number(job)), &changes)?;
        }
        Ok(())
    }

    /// What keeps a task from being done, and what no longer does, is news to every other job that waits for it.
    pub(super) fn note_held_up(&mut self, task: &Task, before: Standing, now: Standing) -> Result<()> {
        let holds_up = |standing| matches!(standing, Standing::Blocked | Standing::Failed | Standing::Cancelled);
        if holds_up(before) == holds_up(now) {
            return Ok(());
        }
        // Mostly no job waits for another, and then nobody need be asked who waits for whom.
        if self.number("select exists (select 1 from job where crosses = 1 and ended_at is null)", [])? == 0 {
            return Ok(());
        }
        let jobs: Vec<i64> = self
            .db()
            .prepare_cached(&format!(
                "with recursive waiting (id) as (
                     select task from dependency where needs = ?1
                     union
                     select d.task from waiting join task t on t.id = waiting.id and t.finished_at is null
                         join dependency d on d.needs = t.id
                     limit {NEEDED_LOOKED_AT})
                 select distinct w.job from waiting join task w on w.id = waiting.id
                 where w.job is not null and w.job is not ?2"
            ))
            .and_then(|mut list| {
                list.query_map((task.id.number(), task.job.map(JobId::number)), |row| row.get(0))?.collect()
            })
            .map_err(failed)?;
        self.changed_jobs.extend(jobs.into_iter().map(JobId::from_number));
        Ok(())
    }

    /// What the human says at a gate moves the job, or says that it moves no more.
    pub(super) fn note_gate(&mut self, task: TaskId) -> Result<()> {
        let job: Option<i64> = self
            .db()
            .prepare_cached("select job from task where id = ?1")
            .and_then(|mut find| find.query_row([task.number()], |row| row.get(0)).optional())
            .map_err(failed)?
            .flatten();
        self.changed_jobs.extend(job.map(JobId::from_number));
        Ok(())
    }

    /// A job whose task waits for what is none of its own may move although nothing of it does.
    pub(super) fn note_crossing(&mut self, task: &Task) -> Result<()> {
        let Some(job) = task.job else { return Ok(()) };
        self.change(
            "update job set crosses = 1 where id = ?1 and crosses = 0 and exists (
                 select 1 from dependency d join task t on t.id = d.needs
                 where d.task = ?2 and (t.job is null or t.job <> ?1))",
            (job.number(), task.id.number()),
        )
        .map(drop)
    }
}
