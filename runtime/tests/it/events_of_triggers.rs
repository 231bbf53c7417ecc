//! The types of the feature `events` read the events that the platform documents.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use scf_runtime::events::{CkafkaEvent, ClsEvent, CosEvent, TdmqEvent, TimerEvent};
use scf_runtime::{Context, Failure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Returns the event that a handler gets.
fn read<T: DeserializeOwned>(event: &Value) -> Result<T, Failure> {
    let mut read = None;
    let mut handler = scf_runtime::json(|event: T, _: &Context| {
        read = Some(event);
        Ok::<_, Failure>(())
    });
    handler(event.to_string().into(), &Context::for_test())?;
    drop(handler);
    Ok(read.unwrap())
}

fn timer() -> Value {
    json!({"Type": "Timer", "TriggerName": "daily", "Time": "2026-11-22T00:00:00Z", "Message": "a"})
}

fn cos() -> Value {
    json!({"Records": [{
        "cos": {
            "cosSchemaVersion": "1.0",
            "cosObject": {
                "url": "http://pictures-1250000000.cos.ap-chengdu.myqcloud.com/a.png",
                "meta": {"x-cos-request-id": "1", "Content-Type": "image/png"},
                "vid": "", "key": "/1250000000/pictures/a.png", "size": 1029,
            },
            "cosBucket": {"region": "cd", "name": "pictures", "appid": "1250000000"},
            "cosNotificationId": "unkown",
        },
        "event": {
            "eventName": "cos:ObjectCreated:Put", "eventVersion": "1.0", "eventTime": 1545205770,
            "eventSource": "qcs::cos",
            "requestParameters": {
                "requestSourceIP": "203.0.113.7",
                "requestHeaders": {"Authorization": "q-sign-algorithm=sha1"},
            },
            "eventQueue": "qcs:0:scf:cd:appid/1250000000:default.f.$LATEST",
            "reservedInfo": "", "reqid": 179398952,
        },
    }]})
}

fn ckafka() -> Value {
    let message = |offset, body| {
        json!({"Ckafka": {
            "topic": "orders", "partition": 1, "offset": offset, "msgKey": "None", "msgBody": body,
        }})
    };
    json!({"Records": [message(36, "a"), message(37, "b")]})
}

fn cls() -> Value {
    let logs = json!({"topic_id": "t-1", "topic_name": "log", "records": [
        {"timestamp": "1605578090000000", "content": "a"},
        {"timestamp": "1605578090000003", "content": "b"},
    ]});
    json!({"clslogs": {"data": STANDARD.encode(gzip(logs.to_string().as_bytes()))}})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn tdmq() -> Value {
    json!({
        "specversion": "0", "id": "13a3f42d", "type": "connector:tdmq",
        "source": "tdmq.cloud.tencent", "subjuect": "qcs::tdmq:ap-guangzhou:1:topic",
        "time": "1615430559146", "region": "ap-guangzhou",
        "datacontenttype": "application/json;charset=utf-8",
        "data": {
            "topic": "persistent://appid/namespace/topic-1", "tags": "a", "TopicType": 4,
            "subscriptionName": "s", "toTimestamp": "1603352765001", "partitions": "0",
            "msgId": "123345346", "msgBody": "Hello",
        },
    })
}

#[test]
fn timer_event_is_read() {
    let event: TimerEvent = read(&timer()).unwrap();
    let TimerEvent { trigger_name, time, message, .. } = &event;
    assert_eq!([trigger_name, time, message], ["daily", "2026-11-22T00:00:00Z", "a"]);
}

#[test]
fn cos_event_is_read() {
    let event: CosEvent = read(&cos()).unwrap();
    let record = &event.records[0];
    let (object, bucket) = (&record.cos.cos_object, &record.cos.cos_bucket);
    assert_eq!((object.key.as_str(), object.size), ("/1250000000/pictures/a.png", 1029));
    assert_eq!(object.meta["Content-Type"], "image/png");
    assert_eq!([&bucket.region, &bucket.name, &bucket.appid], ["cd", "pictures", "1250000000"]);
    assert_eq!(record.event.event_name, "cos:ObjectCreated:Put");
    assert_eq!((record.event.event_time, record.event.reqid), (1545205770, 179398952));
    let request = &record.event.request_parameters;
    assert_eq!(request.request_source_ip, "203.0.113.7");
    assert_eq!(request.request_headers["Authorization"], "q-sign-algorithm=sha1");
}

#[test]
fn ckafka_event_is_read() {
    let event: CkafkaEvent = read(&ckafka()).unwrap();
    let messages = event.records.iter();
    let messages: Vec<_> =
        messages.map(|message| (message.partition, message.offset, &*message.msg_body)).collect();
    assert_eq!(messages, [(1, 36, "a"), (1, 37, "b")]);
    assert_eq!((&*event.records[0].topic, &*event.records[0].msg_key), ("orders", "None"));
}

#[test]
fn cls_event_is_decoded() {
    let event: ClsEvent = read(&cls()).unwrap();
    assert_eq!([event.topic_id, event.topic_name], ["t-1", "log"]);
    let records: Vec<_> =
        event.records.iter().map(|record| (&*record.timestamp, &*record.content)).collect();
    assert_eq!(records, [("1605578090000000", "a"), ("1605578090000003", "b")]);
}

#[test]
fn invalid_cls_data_is_an_error() {
    for (data, reason) in [
        ("*".to_owned(), "data: "),
        (STANDARD.encode("these bytes are not gzip"), "invalid gzip header"),
        (STANDARD.encode(&gzip(b"{\"topic_id\": \"1\"")[..20]), "incomplete deflate stream"),
        (STANDARD.encode(gzip(b"{}")), "missing field `topic_id`"),
    ] {
        let event = json!({"clslogs": {"data": data}});
        let error = read::<ClsEvent>(&event).unwrap_err();
        assert_eq!(error.error_type, "InvalidEvent");
        assert!(error.error_message.contains(reason), "{}", error.error_message);
    }
}

#[test]
fn tdmq_event_is_read_in_both_spellings() {
    let event: TdmqEvent = read(&tdmq()).unwrap();
    assert_eq!(
        [&*event.kind, &*event.id, &*event.region],
        ["connector:tdmq", "13a3f42d", "ap-guangzhou"]
    );
    assert_eq!(event.subject, "qcs::tdmq:ap-guangzhou:1:topic");
    let message = &event.data;
    assert_eq!((message.topic_type, &*message.msg_body), (4, "Hello"));
    assert_eq!([&*message.to_timestamp, &*message.partitions], ["1603352765001", "0"]);

    let text = tdmq().to_string().replace("subjuect", "subject");
    let text = text.replace("TopicType", "topictype").replace("toTimestamp", "timestamp");
    assert_eq!(read::<TdmqEvent>(&text.parse().unwrap()).unwrap(), event);
}

#[test]
fn event_of_another_trigger_is_an_error() {
    fn check<T: DeserializeOwned>(own: &Value) {
        for event in [timer(), cos(), ckafka(), cls(), tdmq(), json!({})] {
            assert_eq!(read::<T>(&event).is_ok(), event == *own, "{event}");
        }
    }
    check::<TimerEvent>(&timer());
    check::<CosEvent>(&cos());
    check::<CkafkaEvent>(&ckafka());
    check::<ClsEvent>(&cls());
    check::<TdmqEvent>(&tdmq());
}
