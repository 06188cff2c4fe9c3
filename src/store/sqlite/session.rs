//! Sessions, and what they are to be woken for, in SQLite.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::model::wake::Wake;
use crate::store::Sessions;
use crate::store::Topic;
use crate::store::Wakes;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use crate::store::sqlite::json::json;
use crate::store::sqlite::json::of_json;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;

macro_rules! columns {
    () => {
        "instance, client, inbox, transcript, ringers, activity, detail, since, alive_at, briefed, told, subagents, hooks"
    };
}

fn read(row: &Row) -> rusqlite::Result<Session> {
    let briefed: Option<(String, i64)> = of_json(&row.get::<_, String>(9)?);
    Ok(Session {
        instance: InstanceId::from_stored(row.get(0)?),
        client: row.get(1)?,
        inbox: row.get(2)?,
        transcript: row.get(3)?,
        ringers: of_json(&row.get::<_, String>(4)?),
        activity: Activity::of_word(row.get_ref(5)?.as_str()?).unwrap_or(Activity::Unknown),
        detail: row.get(6)?,
        since: Timestamp::from_millis(row.get(7)?),
        alive_at: Tick::from_millis(row.get(8)?),
        briefed: briefed.map(|(what, when)| (what, Tick::from_millis(when))),
        told: of_json(&row.get::<_, String>(10)?),
        subagents: of_json(&row.get::<_, String>(11)?),
        hooks: of_json(&row.get::<_, String>(12)?),
    })
}

impl Sessions for SqliteTx<'_> {
    fn session(&mut self, instance: &InstanceId) -> Result<Option<Session>> {
        self.db()
            .prepare_cached(concat!("select ", columns!(), " from session where instance = ?1"))
            .and_then(|mut find| find.query_row([instance.as_str()], read).optional())
            .map_err(failed)
    }

    fn session_by_client(&mut self, client: &str) -> Result<Option<Session>> {
        self.db()
            .prepare_cached(concat!("select ", columns!(), " from session where client = ?1"))
            .and_then(|mut find| find.query_row([client], read).optional())
            .map_err(failed)
    }

    fn sessions(&mut self, limit: u32) -> Result<Vec<Session>> {
        self.db()
            .prepare_cached(concat!("select ", columns!(), " from session order by alive_at desc, instance limit ?1"))
            .and_then(|mut list| list.query_map([limit], read)?.collect())
            .map_err(failed)
    }

    fn put_session(&mut self, session: &Session) -> Result<()> {
        self.store.memo.forget_instances();
        // A client speaks for the instance that it was bound to last.
        if let Some(client) = &session.client {
            self.writable()?
                .prepare_cached("update session set client = null, inbox = null, transcript = null, ringers = '{}' where client = ?1 and instance <> ?2")
                .and_then(|mut other| other.execute((client, session.instance.as_str())))
                .map_err(failed)?;
            self.touch(Topic::Client(client.clone()));
        }
        self.touch(Topic::Session(session.instance.clone()));
        let briefed = session.briefed.as_ref().map(|(what, when)| (what, when.millis()));
        self.writable()?
            .prepare_cached(concat!(
                "insert or replace into session (",
                columns!(),
                ") values (:instance, :client, :inbox, :transcript, :ringers, :activity, :detail, :since, :alive_at, :briefed, :told, :subagents, :hooks)"
            ))
            .and_then(|mut put| {
                put.execute(named_params! {
                    ":instance": session.instance.as_str(),
                    ":client": session.client,
                    ":inbox": session.inbox,
                    ":transcript": session.transcript,
                    ":ringers": json(&session.ringers),
                    ":activity": session.activity.word(),
                    ":detail": session.detail,
                    ":since": session.since.millis(),
                    ":alive_at": session.alive_at.millis(),
                    ":briefed": json(&briefed),
                    ":told": json(&session.told),
                    ":subagents": json(&session.subagents),
                    ":hooks": json(&session.hooks),
                })
            })
            .map(drop)
            .map_err(failed)
    }
}

macro_rules! wake_columns {
    () => {
        "recipient, subject, wanted_at, wanted, tries, answered"
    };
}

fn read_wake(row: &Row) -> rusqlite::Result<Wake> {
    Ok(Wake {
        recipient: InstanceId::from_stored(row.get(0)?),
        subject: row.get(1)?,
        wanted_at: Timestamp::from_millis(row.get(2)?),
        wanted: Tick::from_millis(row.get(3)?),
        tries: of_json(&row.get::<_, String>(4)?),
        answered: row.get::<_, Option<String>>(5)?.and_then(|text| of_json(&text)),
    })
}

impl Wakes for SqliteTx<'_> {
    fn put_wake(&mut self, wake: &Wake) -> Result<()> {
        self.touch(Topic::Session(wake.recipient.clone()));
        self.writable()?
            .prepare_cached(concat!(
                "insert or replace into wake (",
                wake_columns!(),
                ") values (:recipient, :subject, :wanted_at, :wanted, :tries, :answered)"
            ))
            .and_then(|mut put| {
                put.execute(named_params! {
                    ":recipient": wake.recipient.as_str(),
                    ":subject": wake.subject,
                    ":wanted_at": wake.wanted_at.millis(),
                    ":wanted": wake.wanted.millis(),
                    ":tries": json(&wake.tries),
                    ":answered": wake.answered.as_ref().map(json),
                })
            })
            .map(drop)
            .map_err(failed)
    }

    fn remove_wake(&mut self, recipient: &InstanceId, subject: &str) -> Result<()> {
        self.writable()?
            .prepare_cached("delete from wake where recipient = ?1 and subject = ?2")
            .and_then(|mut delete| delete.execute((recipient.as_str(), subject)))
            .map(drop)
            .map_err(failed)
    }

    fn wake(&mut self, recipient: &InstanceId, subject: &str) -> Result<Option<Wake>> {
        self.db()
            .prepare_cached(concat!("select ", wake_columns!(), " from wake where recipient = ?1 and subject = ?2"))
            .and_then(|mut find| find.query_row((recipient.as_str(), subject), read_wake).optional())
            .map_err(failed)
    }

    fn open_wakes(&mut self, recipient: &InstanceId, limit: u32) -> Result<Vec<Wake>> {
        self.db()
            .prepare_cached(concat!(
                "select ",
                wake_columns!(),
                " from wake where recipient = ?1 and answered is null order by wanted limit ?2"
            ))
            .and_then(|mut list| list.query_map((recipient.as_str(), limit), read_wake)?.collect())
            .map_err(failed)
    }
}
