//! Messages and their receipts in SQLite.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::id::TaskId;
use crate::model::message::Delivery;
use crate::model::message::Message;
use crate::model::message::MessageKind;
use crate::model::message::Origin;
use crate::model::message::Returned;
use crate::model::message::Sender;
use crate::model::time::Timestamp;
use crate::store::Messages;
use crate::store::Topic;
use crate::store::Tx;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;

macro_rules! message {
    () => {
        "m.id, m.kind, m.sender, m.sender_name, m.sender_role, m.origin, m.recipient, m.body, m.thread, m.reply_to, m.task, m.needs_answer, m.sent_at"
    };
}
const MESSAGE_COLUMNS: usize = 13;
macro_rules! delivery {
    () => {
        "d.recipient, d.message, d.queued_at, d.returned_at, d.returned_process, d.returned_call, d.seen_at, d.acknowledged_at, d.dismissed_at"
    };
}

fn kind_word(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Direct => "direct",
        MessageKind::Broadcast => "broadcast",
        MessageKind::Help => "help",
        MessageKind::Question => "question",
        MessageKind::Reply => "reply",
    }
}

fn kind_of(word: &str) -> MessageKind {
    match word {
        "broadcast" => MessageKind::Broadcast,
        "help" => MessageKind::Help,
        "question" => MessageKind::Question,
        "reply" => MessageKind::Reply,
        _ => MessageKind::Direct,
    }
}

fn read_message(row: &Row) -> rusqlite::Result<Message> {
    Ok(Message {
        id: MessageId::from_number(row.get(0)?),
        kind: kind_of(row.get_ref(1)?.as_str()?),
        from: Sender {
            instance: row.get::<_, Option<String>>(2)?.map(InstanceId::from_stored),
            name: row.get(3)?,
            role: row.get(4)?,
            origin: if row.get_ref(5)?.as_str()? == "human" { Origin::Human } else { Origin::Agent },
        },
        to: row.get(6)?,
        body: row.get(7)?,
        thread: row.get::<_, Option<i64>>(8)?.map(MessageId::from_number),
        reply_to: row.get::<_, Option<i64>>(9)?.map(MessageId::from_number),
        task_id: row.get::<_, Option<i64>>(10)?.map(TaskId::from_number),
        needs_answer: row.get(11)?,
        sent_at: Timestamp::from_millis(row.get(12)?),
    })
}

fn read_delivery(row: &Row, from: usize) -> rusqlite::Result<Delivery> {
    let moment = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let returned = match (moment(from + 3)?, row.get(from + 4)?, row.get(from + 5)?) {
        (Some(at), Some(process), Some(call)) => Some(Returned { at, process, call }),
        _ => None,
    };
    Ok(Delivery {
        recipient: row.get(from)?,
        message: MessageId::from_number(row.get(from + 1)?),
        queued_at: Timestamp::from_millis(row.get(from + 2)?),
        returned,
        seen_at: moment(from + 6)?,
        acknowledged_at: moment(from + 7)?,
        dismissed_at: moment(from + 8)?,
    })
}

impl Messages for SqliteTx<'_> {
    fn insert_message(&mut self, message: &mut Message) -> Result<()> {
        let db = self.writable()?;
        db.prepare_cached(
            "insert into message (kind, sender, sender_name, sender_role, origin, recipient, body, thread, reply_to, task, needs_answer, sent_at)
             values (:kind, :sender, :sender_name, :sender_role, :origin, :recipient, :body, :thread, :reply_to, :task, :needs_answer, :sent_at)",
        )
        .and_then(|mut insert| {
            insert.execute(named_params! {
                ":kind": kind_word(message.kind),
                ":sender": message.from.instance.as_ref().map(InstanceId::as_str),
                ":sender_name": message.from.name,
                ":sender_role": message.from.role,
                ":origin": match message.from.origin { Origin::Human => "human", Origin::Agent => "agent" },
                ":recipient": message.to,
                ":body": message.body,
                ":thread": message.thread.map(MessageId::number),
                ":reply_to": message.reply_to.map(MessageId::number),
                ":task": message.task_id.map(TaskId::number),
                ":needs_answer": message.needs_answer,
                ":sent_at": message.sent_at.millis(),
            })
        })
        .map_err(failed)?;
        message.id = MessageId::from_number(db.last_insert_rowid());
        Ok(())
    }

    fn message(&mut self, id: MessageId) -> Result<Option<Message>> {
        self.db()
            .prepare_cached(concat!("select ", message!(), " from message m where m.id = ?1"))
            .and_then(|mut find| find.query_row([id.number()], read_message).optional())
            .map_err(failed)
    }

    fn insert_delivery(&mut self, message: MessageId, recipient: &str) -> Result<()> {
        self.store.memo.forget_unread();
        let at = self.now().at;
        self.writable()?
            .prepare_cached("insert into delivery (recipient, message, queued_at) values (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute((recipient, message.number(), at.millis())))
            .map_err(failed)?;
        self.touch(Topic::Inbox(InstanceId::from_stored(recipient.to_owned())));
        Ok(())
    }

    fn delivery(&mut self, message: MessageId, recipient: &InstanceId) -> Result<Option<Delivery>> {
        self.db()
            .prepare_cached(concat!(
                "select ",
                delivery!(),
                " from delivery d where d.recipient = ?1 and d.message = ?2"
            ))
            .and_then(|mut find| {
                find.query_row((recipient.as_str(), message.number()), |row| read_delivery(row, 0)).optional()
            })
            .map_err(failed)
    }

    fn update_delivery(&mut self, delivery: &Delivery) -> Result<()> {
        self.store.memo.forget_unread();
        let returned = delivery.returned.as_ref();
        self.writable()?
            .prepare_cached(
                "update delivery set returned_at = :at, returned_process = :process, returned_call = :call,
                    seen_at = :seen, acknowledged_at = :acknowledged, dismissed_at = :dismissed
                 where recipient = :recipient and message = :message",
            )
            .and_then(|mut update| {
                update.execute(named_params! {
                    ":at": returned.map(|returned| returned.at.millis()),
                    ":process": returned.map(|returned| &returned.process),
                    ":call": returned.map(|returned| &returned.call),
                    ":seen": delivery.seen_at.map(Timestamp::millis),
                    ":acknowledged": delivery.acknowledged_at.map(Timestamp::millis),
                    ":dismissed": delivery.dismissed_at.map(Timestamp::millis),
                    ":recipient": delivery.recipient,
                    ":message": delivery.message.number(),
                })
            })
            .map_err(failed)?;
        // A message taken back is news again for whoever waits.
        if returned.is_none() {
            self.touch(Topic::Inbox(InstanceId::from_stored(delivery.recipient.clone())));
        }
        Ok(())
    }

    fn deliveries(&mut self, message: MessageId, after: Option<&str>, limit: u32) -> Result<Vec<Delivery>> {
        self.db()
            .prepare_cached(concat!(
                "select ",
                delivery!(),
                " from delivery d where d.message = ?1 and d.recipient > ?2 order by d.recipient limit ?3"
            ))
            .and_then(|mut list| {
                list.query_map((message.number(), after.unwrap_or_default(), limit), |row| read_delivery(row, 0))?
                    .collect()
            })
            .map_err(failed)
    }

    fn inbox(
        &mut self,
        recipient: &InstanceId,
        all: bool,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(Message, Delivery)>> {
        const ALL: &str = concat!(
            "select ",
            message!(),
            ", ",
            delivery!(),
            " from delivery d join message m on m.id = d.message
             where d.recipient = ?1 and d.message > ?2 and d.dismissed_at is null order by d.message limit ?3"
        );
        // Named, because the primary key looks as good and leads past everything that was ever read.
        const NEVER_RETURNED: &str = concat!(
            "select ",
            message!(),
            ", ",
            delivery!(),
            " from delivery d indexed by delivery_unseen join message m on m.id = d.message
             where d.recipient = ?1 and d.returned_at is null and d.seen_at is null and d.message > ?2
             order by d.message limit ?3"
        );
        self.db()
            .prepare_cached(if all { ALL } else { NEVER_RETURNED })
            .and_then(|mut list| {
                list.query_map((recipient.as_str(), after.map_or(0, MessageId::number), limit), |row| {
                    Ok((read_message(row)?, read_delivery(row, MESSAGE_COLUMNS)?))
                })?
                .collect()
            })
            .map_err(failed)
    }

    fn unconfirmed(&mut self, recipient: &InstanceId, limit: u32) -> Result<Vec<Delivery>> {
        self.db()
            .prepare_cached(concat!(
                "select ",
                delivery!(),
                " from delivery d indexed by delivery_unseen
                 where d.recipient = ?1 and d.returned_at is not null and d.seen_at is null limit ?2"
            ))
            .and_then(|mut list| list.query_map((recipient.as_str(), limit), |row| read_delivery(row, 0))?.collect())
            .map_err(failed)
    }

    fn returned_by(&mut self, recipient: &InstanceId, process: &str, call: &str) -> Result<Vec<Delivery>> {
        // The newest few hundred are enough: a call returns at most a page, and is cancelled soon or never.
        self.db()
            .prepare_cached(concat!(
                "select * from (select ",
                delivery!(),
                " from delivery d where d.recipient = ?1 order by d.message desc limit 500)
                 where returned_process = ?2 and returned_call = ?3"
            ))
            .and_then(|mut list| {
                list.query_map((recipient.as_str(), process, call), |row| read_delivery(row, 0))?.collect()
            })
            .map_err(failed)
    }

    fn count_unread(&mut self, recipient: &InstanceId, most: u32) -> Result<u32> {
        if let Some(count) = self.store.memo.unread(recipient, most) {
            return Ok(count);
        }
        let count = self
            .db()
            .prepare_cached(
                "select count(*) from (select 1 from delivery indexed by delivery_unseen where recipient = ?1 and seen_at is null limit ?2)",
            )
            .and_then(|mut count| count.query_row((recipient.as_str(), most), |row| row.get(0)))
            .map_err(failed)?;
        self.store.memo.keep_unread(recipient, most, count);
        Ok(count)
    }

    fn thread(&mut self, root: MessageId, after: Option<MessageId>, limit: u32) -> Result<Vec<Message>> {
        self.db()
            .prepare_cached(concat!(
                "select ",
                message!(),
                " from message m where m.id = ?1 and m.id > ?2
                 union all
                 select * from (select ",
                message!(),
                " from message m where m.thread = ?1 and m.id > ?2 order by m.id limit ?3)
                 limit ?3"
            ))
            .and_then(|mut list| {
                list.query_map((root.number(), after.map_or(0, MessageId::number), limit), read_message)?.collect()
            })
            .map_err(failed)
    }

    fn claim_address(&mut self, address: &str, to: &InstanceId) -> Result<u32> {
        self.store.memo.forget_unread();
        // `or ignore`: a broadcast may have reached the instance by another way already.
        let moved = self
            .writable()?
            .prepare_cached("update or ignore delivery set recipient = ?2 where recipient = ?1")
            .and_then(|mut update| update.execute((address, to.as_str())))
            .map_err(failed)?;
        if moved > 0 {
            self.touch(Topic::Inbox(to.clone()));
        }
        Ok(moved as u32)
    }

    fn sent(&mut self, sender: &InstanceId, before: Option<MessageId>, limit: u32) -> Result<Vec<Message>> {
        self.db()
            .prepare_cached(concat!(
                "select ",
                message!(),
                " from message m where m.sender = ?1 and m.id < ?2 order by m.id desc limit ?3"
            ))
            .and_then(|mut list| {
                list.query_map((sender.as_str(), before.map_or(i64::MAX, MessageId::number), limit), read_message)?
                    .collect()
            })
            .map_err(failed)
    }
}
