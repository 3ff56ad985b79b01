//! A metadata snapshot, `.checkpoint`: ordinary batches, a control batch with a header before and one
//! with a footer behind them. Two are written: `bootstrap.checkpoint`, which names all that a fresh
//! controller is to know, and the first snapshot of a metadata log that knows its voters.
//!
//! | control record | type | value behind a version of two bytes |
//! |----------------|-----:|-------------------------------------|
//! | snapshot header | 3 | time of the last record, 8 bytes; tags |
//! | snapshot footer | 4 | tags |
//! | KRaft version   | 5 | 2 bytes; tags |
//! | voters          | 6 | a list: id, directory id, a list of endpoints (name, host, port of 2 bytes, tags), lowest and highest KRaft version of 2 bytes, tags, tags; tags |

use super::flexible;
use super::records::MetadataRecord;
use crate::compression::Compressor;
use crate::log::TopicId;
use crate::record::{
    Batch, BatchFault, LeaderEpoch, Offset, Record, Timestamp, TimestampType, Wanted, place,
};

const HEADER: i16 = 3;
const FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const VOTERS: i16 = 6;
/// The most records in a batch.
const MOST_RECORDS: usize = 2000;

/// The controller that a first snapshot names.
#[derive(Clone, Debug)]
pub(crate) struct Controller<'a> {
    pub(crate) node_id: i32,
    pub(crate) directory_id: TopicId,
    pub(crate) listener: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

/// `bootstrap.checkpoint` with these records, in the form of `metadata_version`.
pub(crate) fn bootstrap(
    records: &[MetadataRecord],
    metadata_version: i16,
    now: Timestamp,
) -> Result<Vec<u8>, BatchFault> {
    let mut file = File { bytes: Vec::new(), next: 0, now };
    file.control(&[(HEADER, header(0))])?;
    for records in records.chunks(MOST_RECORDS) {
        let mut batch = Batch::new();
        for record in records {
            let value = record.encode(metadata_version);
            batch.push(Record::new().value(value.as_slice()).timestamp(now));
        }
        file.put(batch)?;
    }
    file.control(&[(FOOTER, footer())])?;
    Ok(file.bytes)
}

/// The first snapshot of a metadata log, which names its only voter so far.
pub(crate) fn first_snapshot(
    controller: &Controller<'_>,
    now: Timestamp,
) -> Result<Vec<u8>, BatchFault> {
    let mut file = File { bytes: Vec::new(), next: 0, now };
    let version = [0, 0, 0, 1, 0].to_vec();
    let voters = voters(controller);
    file.control(&[(HEADER, header(now)), (KRAFT_VERSION, version), (VOTERS, voters)])?;
    file.control(&[(FOOTER, footer())])?;
    Ok(file.bytes)
}

struct File {
    bytes: Vec<u8>,
    next: Offset,
    now: Timestamp,
}

impl File {
    fn control(&mut self, records: &[(i16, Vec<u8>)]) -> Result<(), BatchFault> {
        let mut batch = Batch::new().control(true);
        for (kind, value) in records {
            let key = [0_i16.to_be_bytes(), kind.to_be_bytes()].concat();
            let record = Record::new().key(key.as_slice()).value(value.as_slice());
            batch.push(record.timestamp(self.now));
        }
        self.put(batch)
    }

    fn put(&mut self, mut batch: Batch) -> Result<(), BatchFault> {
        let wanted =
            Wanted { now: self.now, timestamp_type: TimestampType::CreateTime, compression: None };
        let mut compressed = Vec::new();
        let (draft, _) = batch.draft(wanted, &mut Compressor::default(), &mut compressed)?;
        let header = place(draft.bytes, &draft.header, self.next, LeaderEpoch(0));
        self.next = header.next_offset();
        self.bytes.extend_from_slice(draft.bytes);
        Ok(())
    }
}

fn header(last_timestamp: Timestamp) -> Vec<u8> {
    let mut value = vec![0, 0];
    value.extend_from_slice(&last_timestamp.to_be_bytes());
    flexible::put_no_tags(&mut value);
    value
}

fn footer() -> Vec<u8> {
    vec![0, 0, 0]
}

fn voters(controller: &Controller<'_>) -> Vec<u8> {
    let mut value = vec![0, 0];
    flexible::put_length(&mut value, 1);
    value.extend_from_slice(&controller.node_id.to_be_bytes());
    value.extend_from_slice(&controller.directory_id.to_bytes());
    flexible::put_length(&mut value, 1);
    flexible::put_text(&mut value, controller.listener);
    flexible::put_text(&mut value, controller.host);
    value.extend_from_slice(&controller.port.to_be_bytes());
    flexible::put_no_tags(&mut value);
    value.extend_from_slice(&[0, 0, 0, 1]);
    // Of the versions, of the voter, of the record.
    for _ in 0..3 {
        flexible::put_no_tags(&mut value);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Batches;

    const AT: Timestamp = 1_795_451_396_639;

    /// The first snapshot as `kafka-storage format --standalone` of 4.3.1 and 3.9.2 writes it, but
    /// for times and with them the checksums.
    #[test]
    fn a_first_snapshot_has_the_bytes_that_formatting_gives_it() {
        let controller = Controller {
            node_id: 1,
            directory_id: "7N6P3_1fQyeurjC_SNqQ6g".parse().unwrap(),
            listener: "CONTROLLER",
            host: "127.0.0.1",
            port: 19_093,
        };
        let file = first_snapshot(&controller, AT).unwrap();
        let kafkas: [&[u8]; 3] = [
            b"\x1e\0\0\x02\x08\0\0\0\x05\x0a\0\0\0\x01\0\0",
            b"\x82\x01\0\0\x04\x08\0\0\0\x06\x6e\0\0\x02\0\0\0\x01\xec\xde\x8f\xdf\xfd\x5f\x43\x27\xae\xae\x30\xbf\x48\xda\x90\xea",
            b"\x02\x0bCONTROLLER\x0a127.0.0.1\x4a\x95\0\0\0\0\x01\0\0\0\0",
        ];
        assert_eq!(file.len(), 0xf1);
        let records = &file[0x53..0xa6];
        assert_eq!(records.escape_ascii().to_string(), kafkas.concat().escape_ascii().to_string());
        let batches: Vec<_> = Batches::new(&file).map(Result::unwrap).collect();
        let shape = |at: usize| {
            let header = batches[at].header();
            let epoch = header.leader_epoch().map(|epoch| epoch.0);
            (header.base_offset(), header.last_offset(), epoch, header.attributes().bits())
        };
        assert_eq!([shape(0), shape(1)], [(0, 2, Some(0), 0x20), (3, 3, Some(0), 0x20)]);
    }

    #[test]
    fn what_a_bootstrap_file_says_is_read_back_and_its_offsets_have_no_hole() {
        let id = TopicId::from_bytes([7; 16]);
        let mut records = vec![
            MetadataRecord::FeatureLevel { name: "metadata.version".into(), level: 30 },
            MetadataRecord::Topic { name: "events".into(), id },
        ];
        records.extend((0..5000).map(|number| MetadataRecord::Partition {
            number,
            topic: id,
            replicas: vec![1],
            leader_epoch: 5,
            dir: TopicId::from_bytes([0; 16]),
        }));
        let file = bootstrap(&records, 30, AT).unwrap();
        let mut next = 0;
        let mut read = Vec::new();
        for batch in Batches::new(&file).map(Result::unwrap) {
            assert_eq!(batch.header().base_offset(), next);
            next = batch.header().next_offset();
            if !batch.header().attributes().is_control() {
                let (mut with, mut inflated) =
                    (crate::compression::Decompressor::default(), vec![]);
                let values = batch.records(&mut with, 1 << 20, &mut inflated).unwrap();
                let values = values.map(|record| record.unwrap().value().unwrap().to_vec());
                read.extend(values.map(|value| MetadataRecord::decode(&value).unwrap()));
            }
        }
        assert_eq!(read, records);
        assert_eq!(next, 5002 + 2);
    }
}
