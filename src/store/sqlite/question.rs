//! Questions to the human in SQLite.

use crate::error::Error;
use crate::error::Kind as ErrorKind;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::policy::Policy;
use crate::model::question::Decision;
use crate::model::question::Kind;
use crate::model::question::Question;
use crate::model::question::State;
use crate::model::time::Timestamp;
use crate::store::QuestionFilter;
use crate::store::Questions;
use crate::store::Topic;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::conditions::Conditions;
use crate::store::sqlite::failed;
use crate::store::sqlite::json::json;
use crate::store::sqlite::json::of_json;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;

const COLUMNS: &str = "id, kind, asker, asker_name, task, blocks, text, options, fallback, due_at, request, waiter, state, \
                       answer, decision, answered_by, asked_at, ended_at, version";

fn read(row: &Row) -> rusqlite::Result<Question> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(Timestamp::from_millis));
    Ok(Question {
        id: QuestionId::from_number(row.get(0)?),
        // The table holds no other words.
        kind: Kind::of_word(&row.get::<_, String>(1)?).unwrap_or(Kind::Question),
        asker: row.get::<_, Option<String>>(2)?.map(InstanceId::from_stored),
        asker_name: row.get(3)?,
        task: row.get::<_, Option<i64>>(4)?.map(TaskId::from_number),
        blocks: of_json(&row.get::<_, String>(5)?),
        text: row.get(6)?,
        options: of_json(&row.get::<_, String>(7)?),
        default: row.get(8)?,
        due_at: time(9)?,
        request: row.get::<_, Option<String>>(10)?.map(|text| of_json(&text)),
        waiter: row.get(11)?,
        state: State::of_word(&row.get::<_, String>(12)?).unwrap_or(State::Withdrawn),
        answer: row.get(13)?,
        decision: row.get::<_, Option<String>>(14)?.and_then(|word| Decision::of_word(&word)),
        answered_by: row.get(15)?,
        asked_at: Timestamp::from_millis(row.get(16)?),
        ended_at: time(17)?,
        version: row.get::<_, i64>(18)? as u64,
    })
}

fn conditions(filter: &QuestionFilter) -> Conditions {
    Conditions::default()
        .given(filter.state.map(State::word), ":state", "state = :state")
        .given(filter.kind.map(Kind::word), ":kind", "kind = :kind")
        .given(filter.task.map(TaskId::number), ":task", "task = :task")
        .given(filter.asker.as_ref().map(|asker| asker.as_str().to_owned()), ":asker", "asker = :asker")
        .given(filter.job.map(JobId::number), ":job", "task in (select id from task where job = :job)")
        .given(filter.after.map(QuestionId::number), ":after", "id > :after")
}

impl Questions for SqliteTx<'_> {
    fn insert_question(&mut self, question: &mut Question) -> Result<()> {
        let db = self.writable()?;
        db.prepare_cached(
            "insert into question (kind, asker, asker_name, task, blocks, text, options, fallback, due_at, request, waiter, state, asked_at, version)
             values (:kind, :asker, :asker_name, :task, :blocks, :text, :options, :default, :due_at, :request, :waiter, :state, :asked_at, 1)",
        )
        .and_then(|mut insert| {
            insert.execute(named_params! {
                ":kind": question.kind.word(),
                ":asker": question.asker.as_ref().map(InstanceId::as_str),
                ":asker_name": question.asker_name,
                ":task": question.task.map(TaskId::number),
                ":blocks": json(&question.blocks),
                ":text": question.text,
                ":options": json(&question.options),
                ":default": question.default,
                ":due_at": question.due_at.map(Timestamp::millis),
                ":request": question.request.as_ref().map(json),
                ":waiter": question.waiter,
                ":state": question.state.word(),
                ":asked_at": question.asked_at.millis(),
            })
        })
        .map_err(failed)?;
        question.id = QuestionId::from_number(db.last_insert_rowid());
        question.version = 1;
        self.touch(Topic::Questions);
        Ok(())
    }

    fn update_question(&mut self, question: &mut Question) -> Result<()> {
        let changed = self
            .writable()?
            .prepare_cached(
                "update question set waiter = :waiter, state = :state, answer = :answer, decision = :decision, answered_by = :answered_by,
                    ended_at = :ended_at, version = version + 1 where id = :id and version = :version",
            )
            .and_then(|mut update| {
                update.execute(named_params! {
                    ":id": question.id.number(),
                    ":version": question.version as i64,
                    ":waiter": question.waiter,
                    ":state": question.state.word(),
                    ":answer": question.answer,
                    ":decision": question.decision.map(Decision::word),
                    ":answered_by": question.answered_by,
                    ":ended_at": question.ended_at.map(Timestamp::millis),
                })
            })
            .map_err(failed)?;
        if changed == 0 {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("question `{}` was changed by somebody else", question.id),
            )
            .hint("read it again with `get_question`"));
        }
        question.version += 1;
        if let Some(task) = question.task.filter(|_| question.kind == Kind::Gate) {
            self.note_gate(task)?;
        }
        self.touch(Topic::Questions);
        self.touch(Topic::Question(question.id));
        Ok(())
    }

    fn question(&mut self, id: QuestionId) -> Result<Option<Question>> {
        self.db()
            .prepare_cached(&format!("select {COLUMNS} from question where id = ?1"))
            .and_then(|mut find| find.query_row([id.number()], read).optional())
            .map_err(failed)
    }

    fn questions(&mut self, filter: &QuestionFilter, limit: u32) -> Result<Vec<Question>> {
        let conditions = conditions(filter).value(limit, ":limit");
        self.db()
            .prepare_cached(&format!(
                "select {COLUMNS} from question where true{} order by id limit :limit",
                conditions.sql
            ))
            .and_then(|mut list| list.query_map(&*conditions.values(), read)?.collect())
            .map_err(failed)
    }

    fn count_questions(&mut self, filter: &QuestionFilter) -> Result<u64> {
        let conditions = conditions(filter);
        self.db()
            .prepare_cached(&format!("select count(*) from question where true{}", conditions.sql))
            .and_then(|mut count| count.query_row(&*conditions.values(), |row| row.get::<_, i64>(0)))
            .map(|count| count as u64)
            .map_err(failed)
    }

    fn next_question_due(&mut self) -> Result<Option<Timestamp>> {
        self.db()
            .prepare_cached("select min(due_at) from question where state = 'open' and due_at is not null")
            .and_then(|mut next| next.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .map(|next| next.map(Timestamp::from_millis))
            .map_err(failed)
    }

    fn due_questions(&mut self, at: Timestamp, limit: u32) -> Result<Vec<Question>> {
        self.db()
            .prepare_cached(&format!(
                "select {COLUMNS} from question where state = 'open' and due_at <= ?1 order by due_at, id limit ?2"
            ))
            .and_then(|mut list| list.query_map((at.millis(), limit), read)?.collect())
            .map_err(failed)
    }

    fn waited_questions(&mut self, limit: u32) -> Result<Vec<Question>> {
        self.db()
            .prepare_cached(&format!(
                "select {COLUMNS} from question where state = 'open' and waiter is not null order by id limit ?1"
            ))
            .and_then(|mut list| list.query_map([limit], read)?.collect())
            .map_err(failed)
    }

    fn permission_for(&mut self, asker: &InstanceId, call: &str) -> Result<Option<Question>> {
        self.db()
            .prepare_cached(&format!(
                "select {COLUMNS} from question where kind = 'permission' and asker = ?1
                    and json_extract(request, '$.call') = ?2 order by id desc limit 1"
            ))
            .and_then(|mut find| find.query_row((asker.as_str(), call), read).optional())
            .map_err(failed)
    }

    fn standing_permissions(&mut self, asker: &InstanceId, limit: u32) -> Result<Vec<Question>> {
        self.db()
            .prepare_cached(&format!(
                "select {COLUMNS} from question where kind = 'permission' and decision = 'approve_always' and asker = ?1
                    order by id desc limit ?2"
            ))
            .and_then(|mut list| list.query_map((asker.as_str(), limit), read)?.collect())
            .map_err(failed)
    }

    fn policy(&mut self) -> Result<Policy> {
        let found = self
            .db()
            .prepare_cached("select body from policy where one = 1")
            .and_then(|mut find| find.query_row([], |row| row.get::<_, String>(0)).optional())
            .map_err(failed)?;
        // Nobody may act on rules of which a part was forgotten.
        found.map_or_else(|| Ok(Policy::default()), |text| serde_json::from_str(&text).map_err(Error::internal))
    }

    fn put_policy(&mut self, policy: &Policy) -> Result<()> {
        self.writable()?
            .prepare_cached("insert into policy (one, body) values (1, ?1) on conflict (one) do update set body = ?1")
            .and_then(|mut write| write.execute([json(policy)]))
            .map(drop)
            .map_err(failed)
    }
}
