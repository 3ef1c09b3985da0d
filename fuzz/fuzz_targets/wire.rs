#![no_main]
//! Messages between nodes: what reads is within its limits and is written the same.

use blindmatch_wire::exchange as wire;
use blindmatch_wire::message::{
    Answer, Chunk, FileRequest, Greeting, Manifest, ManifestRequest, Proposal, RunMessage, View,
    Views, WitnessMessage,
};
use blindmatch_wire::problem::METADATA;
use blindmatch_wire::{Problem, limits};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use tonic::metadata::{BinaryMetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Status};

#[derive(Arbitrary, Debug)]
enum Input {
    Hello(Vec<u8>),
    View(Vec<u8>),
    Views(Vec<u8>),
    ManifestRequest(Vec<u8>),
    Manifest(Vec<u8>),
    FileRequest(Vec<u8>),
    Chunk(Vec<u8>),
    Proposal(Vec<u8>),
    Answer(Vec<u8>),
    Run(Vec<u8>),
    Witness(Vec<u8>),
    Problem(Vec<u8>),
}

fuzz_target!(|input: Input| match input {
    Input::Hello(bytes) => {
        let Ok(request) = wire::HelloRequest::decode(&*bytes) else {
            return;
        };
        if let Ok(greeting) = Greeting::try_from(request.greeting) {
            assert!(greeting.versions.len() <= limits::VERSIONS);
            let again = Greeting::try_from(Some(greeting.clone().into()));
            assert_eq!(again, Ok(greeting));
        }
    }
    Input::View(bytes) => again::<View, wire::View>(&bytes),
    Input::Views(bytes) => again::<Views, wire::ViewsResponse>(&bytes),
    Input::ManifestRequest(bytes) => again::<ManifestRequest, wire::ManifestRequest>(&bytes),
    Input::Manifest(bytes) => again::<Manifest, wire::ManifestResponse>(&bytes),
    Input::FileRequest(bytes) => again::<FileRequest, wire::FileRequest>(&bytes),
    Input::Chunk(bytes) => again::<Chunk, wire::Chunk>(&bytes),
    Input::Proposal(bytes) => again::<Proposal, wire::ProposeRequest>(&bytes),
    Input::Answer(bytes) => again::<Answer, wire::ProposeResponse>(&bytes),
    Input::Run(bytes) => again::<RunMessage, wire::RunMessage>(&bytes),
    Input::Witness(bytes) => again::<WitnessMessage, wire::WitnessMessage>(&bytes),
    Input::Problem(bytes) => {
        let mut metadata = MetadataMap::new();
        let key = BinaryMetadataKey::from_static(METADATA);
        metadata.insert_bin(key, MetadataValue::from_bytes(&bytes));
        let status = Status::with_metadata(Code::Unknown, "", metadata);
        let problem = Problem::from(&status);
        assert!(problem.rule.len() <= limits::RULE);
        assert!(!problem.to_string().chars().any(char::is_control));
        assert_eq!(Problem::from(&Status::from(problem.clone())), problem);
    }
});

fn again<P, W>(bytes: &[u8])
where
    P: TryFrom<W> + Clone + PartialEq,
    W: Message + Default + From<P>,
{
    let Ok(message) = W::decode(bytes) else {
        return;
    };
    let Ok(plain) = P::try_from(message) else {
        return;
    };
    let written = W::from(plain.clone()).encode_to_vec();
    assert!(written.len() <= limits::MESSAGE);
    let read = W::decode(&*written).ok().map(P::try_from);
    assert!(matches!(read, Some(Ok(read)) if read == plain));
}
