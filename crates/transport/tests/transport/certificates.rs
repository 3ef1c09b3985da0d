//! Whoever shows anything but a member's certificate is refused, each for its own reason.

use std::sync::Arc;

use blindmatch_membership::{DelegationError, Delegations, IdentityError};
use blindmatch_transport::certificate::Shown;
use blindmatch_transport::{
    CertificateError, Credentials, CredentialsError, DialError, Directory, Endpoint, Limits,
    Refusal,
};
use rcgen::{
    CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::AlertDescription;
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::attacker::{Offer, at, authority, honest, introducing, key_pair, shown, tls_key, uri};
use crate::world::{Answers, DAY, Keys, NOW, World, roster};

/// What an attacker makes of an honest certificate before signing it with the honest key.
type Change = fn(&mut CertificateParams);

fn names(names: &[&str]) -> Vec<SanType> {
    names.iter().map(|name| uri(name)).collect()
}

fn identity(error: IdentityError) -> CertificateError {
    CertificateError::Identity(error)
}

/// Certificates under the member's own key that say something wrong.
fn changes() -> Vec<(&'static str, Change, CertificateError)> {
    use CertificateError::{Expired, Extension, LongLived, NotYetValid, OtherNames};
    let two = identity(IdentityError::Names { found: 2 });
    let no_uri = identity(IdentityError::Uri);
    vec![
        ("expired", |it| it.not_after = at(NOW - 1), Expired),
        ("expires now", |it| it.not_after = at(NOW), Expired),
        (
            "not yet valid",
            |it| it.not_before = at(NOW + 3_601),
            NotYetValid,
        ),
        (
            "valid from its end on",
            |it| (it.not_before, it.not_after) = (at(NOW), at(NOW - DAY)),
            Expired,
        ),
        (
            "valid for more than a week",
            |it| it.not_after = at(NOW + 7 * DAY + 1),
            LongLived,
        ),
        (
            "no name",
            |it| it.subject_alt_names.clear(),
            identity(IdentityError::Names { found: 0 }),
        ),
        (
            "two members",
            |it| it.subject_alt_names.push(uri("blindmatch://example/kilo")),
            two,
        ),
        (
            "one member twice",
            |it| it.subject_alt_names.push(uri("blindmatch://example/acme")),
            two,
        ),
        (
            "a foreign URI beside",
            |it| it.subject_alt_names.push(uri("spiffe://example/acme")),
            two,
        ),
        (
            "a DNS name beside",
            |it| {
                let name = "acme.example".to_owned().try_into().unwrap();
                it.subject_alt_names.push(SanType::DnsName(name));
            },
            OtherNames,
        ),
        (
            "a DNS name only",
            |it| {
                let name = "acme".to_owned().try_into().unwrap();
                it.subject_alt_names = vec![SanType::DnsName(name)];
            },
            OtherNames,
        ),
        (
            "an address beside",
            |it| {
                let address = SanType::IpAddress([127, 0, 0, 1].into());
                it.subject_alt_names.insert(0, address);
            },
            OtherNames,
        ),
        (
            "a mailbox beside",
            |it| {
                let mailbox = "acme@example.org".to_owned().try_into().unwrap();
                it.subject_alt_names.push(SanType::Rfc822Name(mailbox));
            },
            OtherNames,
        ),
        (
            "another consortium",
            |it| it.subject_alt_names = names(&["blindmatch://other/acme"]),
            identity(IdentityError::OtherConsortium),
        ),
        (
            "no member",
            |it| it.subject_alt_names = names(&["blindmatch://example/nobody"]),
            identity(IdentityError::UnknownMember),
        ),
        (
            "another member",
            |it| it.subject_alt_names = names(&["blindmatch://example/kilo"]),
            identity(IdentityError::UnknownKey),
        ),
        (
            "upper case",
            |it| it.subject_alt_names = names(&["blindmatch://example/Acme"]),
            no_uri,
        ),
        (
            "another scheme",
            |it| it.subject_alt_names = names(&["spiffe://example/acme"]),
            no_uri,
        ),
        (
            "a scheme in upper case",
            |it| it.subject_alt_names = names(&["BLINDMATCH://example/acme"]),
            no_uri,
        ),
        (
            "a slash behind",
            |it| it.subject_alt_names = names(&["blindmatch://example/acme/"]),
            no_uri,
        ),
        (
            "a query",
            |it| it.subject_alt_names = names(&["blindmatch://example/acme?role=all"]),
            no_uri,
        ),
        (
            "a fragment",
            |it| it.subject_alt_names = names(&["blindmatch://example/acme#kilo"]),
            no_uri,
        ),
        (
            "a user",
            |it| it.subject_alt_names = names(&["blindmatch://kilo@example/acme"]),
            no_uri,
        ),
        (
            "a port",
            |it| it.subject_alt_names = names(&["blindmatch://example:7443/acme"]),
            no_uri,
        ),
        (
            "escapes",
            |it| it.subject_alt_names = names(&["blindmatch://example/%61cme"]),
            no_uri,
        ),
        (
            "no member's name",
            |it| it.subject_alt_names = names(&["blindmatch://example/"]),
            no_uri,
        ),
        (
            "a path within",
            |it| it.subject_alt_names = names(&["blindmatch://example/kilo/../acme"]),
            no_uri,
        ),
        (
            "a byte of zero",
            |it| it.subject_alt_names = names(&["blindmatch://example/acme\0.other"]),
            no_uri,
        ),
        ("an authority", |it| it.is_ca = authority(), Extension),
        (
            "a key for certificates",
            |it| it.key_usages = vec![KeyUsagePurpose::KeyCertSign],
            Extension,
        ),
        (
            "for servers only",
            |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Extension,
        ),
        (
            "for clients only",
            |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            Extension,
        ),
        (
            "an unknown critical extension",
            |it| {
                let mut unknown =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 3, 1], vec![5, 0]);
                unknown.set_criticality(true);
                it.custom_extensions.push(unknown);
            },
            Extension,
        ),
        (
            "names twice",
            |it| {
                // One other URI: 30 len 86 len ...
                let other = b"blindmatch://example/kilo";
                let length = u8::try_from(other.len()).unwrap();
                let names = [&[0x30, length + 2, 0x86, length], other.as_slice()].concat();
                let twice = CustomExtension::from_oid_content(&[2, 5, 29, 17], names);
                it.custom_extensions.push(twice);
            },
            Extension,
        ),
        (
            "too long a delegation",
            |it| it.custom_extensions.push(introducing(&[b'a'; 4_097])),
            Extension,
        ),
        (
            "two delegations",
            |it| {
                it.custom_extensions.push(introducing(b"one"));
                it.custom_extensions.push(introducing(b"other"));
            },
            Extension,
        ),
    ]
}

async fn refused_by(world: &World, offer: &Offer) -> Refusal {
    let (_, kilo) = world.pair();
    let knocked = offer.knock(kilo.keys.address).await;
    assert!(
        !matches!(knocked, Ok(1..)),
        "the server went on with the connection"
    );
    kilo.refusal().await
}

fn certificate(params: &CertificateParams, key: &KeyPair) -> CertificateDer<'static> {
    params.self_signed(key).unwrap().der().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_certificate_of_another_maker_is_accepted() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let key = key_pair(&acme.keys.tls(1));
    let changes: [Change; 4] = [
        |_| {},
        |it| it.not_before = at(NOW + 3_600),
        |it| (it.not_before, it.not_after) = (at(NOW - 6 * DAY), at(NOW + 1)),
        |it| {
            it.custom_extensions
                .push(introducing(b"unread, since the key is known"))
        },
    ];
    for change in changes {
        let mut params = honest(&acme.keys);
        change(&mut params);
        let offer = Offer::of(Some(shown(vec![certificate(&params, &key)], &key)));
        assert_eq!(offer.knock(kilo.keys.address).await.unwrap(), 9);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_say_something_wrong_are_refused() {
    let world = World::new().await;
    let (acme, _) = world.pair();
    let key = key_pair(&acme.keys.tls(1));
    for (case, change, error) in changes() {
        let mut params = honest(&acme.keys);
        change(&mut params);
        let offer = Offer::of(Some(shown(vec![certificate(&params, &key)], &key)));
        let refusal = refused_by(&world, &offer).await;
        assert_eq!(refusal, Refusal::Certificate(error), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_other_keys_are_refused() {
    use CertificateError::{Algorithm, Chain, Malformed, Signature};
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let key = key_pair(&acme.keys.tls(1));
    let params = honest(&acme.keys);
    let good = certificate(&params, &key);
    let other = key_pair(&acme.keys.key(99));
    let unknown = identity(IdentityError::UnknownKey);
    let edited = |at: usize| {
        let mut bytes = good.to_vec();
        let at = if at == usize::MAX {
            bytes.len() - 1
        } else {
            at
        };
        bytes[at] ^= 1;
        vec![CertificateDer::from(bytes)]
    };
    // The serial number's last byte stands before the algorithm of the signature.
    let algorithm = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    let serial = good.windows(7).position(|bytes| bytes == algorithm);
    let chain = |certificates: &[&[u8]]| {
        let certificates = certificates.iter();
        certificates
            .map(|bytes| CertificateDer::from(bytes.to_vec()))
            .collect::<Vec<_>>()
    };
    let mut ca = honest(&kilo.keys);
    ca.is_ca = authority();
    let issuer = Issuer::new(ca, key_pair(&kilo.keys.tls(1)));
    let issued = params.signed_by(&key, &issuer).unwrap();
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let ecdsa = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let identity_key = key_pair(&acme.keys.identity());
    let kilos = key_pair(&kilo.keys.tls(1));
    let mut trailing = good.to_vec();
    trailing.push(0);
    // A length in the long form, which DER does not allow here.
    let mut long_form = good.to_vec();
    let body = long_form.split_off(4);
    let long_form = [&[0x30, 0x83, 0][..], &long_form[2..4], &body].concat();
    let cases = [
        (
            "a key of nobody",
            shown(vec![certificate(&params, &other)], &other),
            unknown,
        ),
        (
            "the key of another member",
            shown(vec![certificate(&params, &kilos)], &kilos),
            unknown,
        ),
        (
            "the identity's key",
            shown(vec![certificate(&params, &identity_key)], &identity_key),
            unknown,
        ),
        (
            "RSA",
            shown(vec![certificate(&params, &rsa)], &key),
            Algorithm,
        ),
        (
            "ECDSA",
            shown(vec![certificate(&params, &ecdsa)], &key),
            Algorithm,
        ),
        (
            "signed by another key",
            shown(vec![issued.der().clone()], &key),
            Signature,
        ),
        (
            "a signature that was changed",
            shown(edited(usize::MAX), &key),
            Signature,
        ),
        (
            "a serial number that was changed",
            shown(edited(serial.unwrap() - 1), &key),
            Signature,
        ),
        (
            "two certificates",
            shown(chain(&[&good, &good]), &key),
            Chain,
        ),
        (
            "a chain",
            shown(
                chain(&[issued.der(), &certificate(&honest(&kilo.keys), &kilos)]),
                &key,
            ),
            Chain,
        ),
        (
            "no certificate at all",
            shown(chain(&[b"certificate"]), &key),
            Malformed,
        ),
        ("an empty one", shown(chain(&[&[0x30, 0]]), &key), Malformed),
        ("a byte behind", shown(chain(&[&trailing]), &key), Malformed),
        ("not in DER", shown(chain(&[&long_form]), &key), Malformed),
        (
            "cut short",
            shown(chain(&[&good[..good.len() - 1]]), &key),
            Malformed,
        ),
    ];
    assert!(changes().len() + cases.len() >= 40);
    for (case, shown, error) in cases {
        let refusal = refused_by(&world, &Offer::of(Some(shown))).await;
        assert_eq!(refusal, Refusal::Certificate(error), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_of_another_kind_are_refused() {
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let key = key_pair(&acme.keys.tls(1));
    let good = certificate(&honest(&acme.keys), &key);
    let other = key_pair(&acme.keys.key(99));
    let stolen = Arc::new(CertifiedKey::new(vec![good.clone()], tls_key(&other)));
    // Nothing that was asked for can be signed with this key, so nothing is shown.
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let other_kind = shown(vec![good.clone()], &rsa);
    let honest = Offer::of(Some(shown(vec![good], &key)));
    let with = |change: fn(&mut Offer)| {
        let mut offer = honest.clone();
        change(&mut offer);
        offer
    };
    let cases = [
        ("no certificate", Offer::of(None), Refusal::NoCertificate),
        (
            "a key of another kind",
            Offer::of(Some(other_kind)),
            Refusal::NoCertificate,
        ),
        (
            "a stolen certificate",
            Offer::of(Some(stolen)),
            Refusal::Possession,
        ),
        (
            "TLS 1.2",
            with(|it| {
                it.version = &rustls::version::TLS12;
                it.groups = vec![kx_group::X25519];
            }),
            Refusal::Version,
        ),
        (
            "X25519 alone",
            with(|it| it.groups = vec![kx_group::X25519]),
            Refusal::Group,
        ),
        (
            "P-256 alone",
            with(|it| it.groups = vec![kx_group::SECP256R1]),
            Refusal::Group,
        ),
        (
            "ML-KEM alone",
            with(|it| it.groups = vec![kx_group::MLKEM768]),
            Refusal::Group,
        ),
        (
            "HTTP/1.1",
            with(|it| it.alpn = vec![b"http/1.1".to_vec()]),
            Refusal::Application,
        ),
        (
            "no application",
            with(|it| it.alpn.clear()),
            Refusal::Application,
        ),
    ];
    for (case, offer, refusal) in cases {
        assert_eq!(refused_by(&world, &offer).await, refusal, "{case}");
    }
    for (bytes, refusal) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Refusal::Protocol),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::Protocol),
        (
            &[0x16, 0x03, 0x01, 0xff, 0xff, 0x01, 0xff, 0xff, 0xff],
            Refusal::Protocol,
        ),
        (b"", Refusal::Ended),
    ] {
        let mut tcp = TcpStream::connect(kilo.keys.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        tcp.shutdown().await.unwrap();
        assert_eq!(kilo.refusal().await, refusal, "{bytes:?}");
    }
    // After an honest handshake, something else than HTTP/2.
    let mut stream = honest.connect(kilo.keys.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: kilo\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(kilo.refusal().await, Refusal::Preface);

    // And who is honest is served.
    assert_eq!(honest.knock(kilo.keys.address).await.unwrap(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_told_by_an_alert() {
    use AlertDescription as Alert;
    let world = World::new().await;
    let (acme, kilo) = world.pair();
    let key = key_pair(&acme.keys.tls(1));
    let other = key_pair(&acme.keys.key(99));
    let cases: [(Change, &KeyPair, Alert); 7] = [
        (|it| it.not_after = at(NOW), &key, Alert::CertificateExpired),
        (
            |it| it.not_before = at(NOW + DAY),
            &key,
            Alert::CertificateExpired,
        ),
        (|it| it.is_ca = authority(), &key, Alert::BadCertificate),
        (
            |it| it.subject_alt_names.clear(),
            &key,
            Alert::BadCertificate,
        ),
        (
            |it| it.subject_alt_names = names(&["blindmatch://example/nobody"]),
            &key,
            Alert::AccessDenied,
        ),
        (|_| {}, &other, Alert::UnknownCA),
        (
            |it| it.custom_extensions.push(introducing(b"no note")),
            &other,
            Alert::BadCertificate,
        ),
    ];
    for (change, key, alert) in cases {
        let mut params = honest(&acme.keys);
        change(&mut params);
        let offer = Offer::of(Some(shown(vec![certificate(&params, key)], key)));
        let error = offer.knock(kilo.keys.address).await.unwrap_err();
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        assert_eq!(error, Some(&rustls::Error::AlertReceived(alert)));
    }
}

#[test]
fn a_key_that_the_delegation_does_not_name_is_no_credential() {
    let keys = Keys::new("acme", 16, ([127, 0, 0, 1], 1).into());
    let seed = zeroize::Zeroizing::new(keys.tls(2).to_bytes());
    let error = Credentials::new(&seed, keys.delegation(1)).unwrap_err();
    assert_eq!(error, CredentialsError::OtherKey);
    assert_eq!(
        format!("{:?}", keys.credentials(1)),
        "Credentials(<redacted>)"
    );
}

#[test]
fn certificates_last_a_day_and_are_made_anew_after_half_of_it() {
    let keys = Keys::new("acme", 16, ([127, 0, 0, 1], 1).into());
    let credentials = keys.credentials(1);
    let made = credentials.certificate(NOW).unwrap();
    assert_eq!(
        credentials.certificate(NOW + DAY / 2 - 1),
        Some(made.clone())
    );
    let next = credentials.certificate(NOW + DAY / 2).unwrap();
    assert_ne!(next, made);
    // A clock that goes back gets one that is in force there.
    assert_eq!(credentials.certificate(NOW), Some(made.clone()));
    assert!(Shown::read(&made, NOW - 3_600).is_ok());
    assert!(Shown::read(&made, NOW + DAY - 1).is_ok());
    assert_eq!(
        Shown::read(&made, NOW + DAY),
        Err(CertificateError::Expired)
    );
    let delegation = Some(keys.delegation(1).to_string().into_bytes());
    assert_eq!(Shown::read(&made, NOW).unwrap().delegation, delegation);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_delegation_that_counts_introduces_its_key() {
    use DelegationError::{
        Expired, Fork, NotYetValid, OtherConsortium, OtherIdentity, Read, Revoked, UnknownMember,
    };
    let world = World::with(Limits::default(), &["acme", "kilo"]).await;
    let (acme, kilo) = world.pair();
    let keys = &acme.keys;
    let note = |change: &dyn Fn(&mut blindmatch_membership::Terms)| {
        let mut terms = keys.terms(2);
        change(&mut terms);
        keys.sign(&terms).to_string().into_bytes()
    };
    let good = note(&|_| {});
    let imposter = Keys::new("acme", 77, keys.address);
    let mut imposters = imposter.terms(2);
    imposters.keys.tls = keys.terms(2).keys.tls;
    let stranger = Keys::new("nobody", 78, keys.address);
    let mut changed = good.clone();
    let line = good
        .windows(9)
        .position(|text| text == b"number: 2")
        .unwrap();
    changed[line + 8] = b'3';
    let introduction = CertificateError::Introduction;
    let unknown = identity(IdentityError::UnknownKey);
    let cases = [
        (
            "expired",
            note(&|it| it.expires = NOW),
            introduction(Expired),
        ),
        (
            "not yet valid",
            note(&|it| it.not_before = NOW + 3_601),
            introduction(NotYetValid),
        ),
        (
            "another consortium",
            note(&|it| it.consortium = "other".parse().unwrap()),
            introduction(OtherConsortium),
        ),
        (
            "a stranger",
            stranger.delegation(2).to_string().into_bytes(),
            introduction(UnknownMember),
        ),
        (
            "another identity",
            imposter.sign(&imposters).to_string().into_bytes(),
            introduction(OtherIdentity),
        ),
        (
            "another member's",
            kilo.keys.delegation(2).to_string().into_bytes(),
            unknown,
        ),
        (
            "another key's",
            keys.delegation(3).to_string().into_bytes(),
            unknown,
        ),
        (
            "another text under a number that is taken",
            note(&|it| it.number = 1),
            introduction(Fork { number: 1 }),
        ),
    ];
    let key = key_pair(&keys.tls(2));
    let show = |note: &[u8]| {
        let mut params = honest(keys);
        params.custom_extensions.push(introducing(note));
        Offer::of(Some(shown(vec![certificate(&params, &key)], &key)))
    };
    for (case, note, error) in &cases {
        let refusal = refused_by(&world, &show(note)).await;
        assert_eq!(refusal, Refusal::Certificate(*error), "{case}");
    }
    for broken in [&changed[..], b"", b"blindmatch delegation v1\n", &good[1..]] {
        let refusal = refused_by(&world, &show(broken)).await;
        let read = matches!(
            refusal,
            Refusal::Certificate(CertificateError::Introduction(Read(_)))
        );
        assert!(read, "{refusal:?}");
    }
    // A thief of the certificate alone introduces nothing.
    let mut params = honest(keys);
    params.custom_extensions.push(introducing(&good));
    let other = key_pair(&keys.key(99));
    let stolen = CertifiedKey::new(vec![certificate(&params, &key)], tls_key(&other));
    let refusal = refused_by(&world, &Offer::of(Some(Arc::new(stolen)))).await;
    assert_eq!(refusal, Refusal::Possession);
    let known = kilo.directory.known();
    let numbers: Vec<u64> = known
        .delegations
        .in_force(&known.roster, &keys.name, NOW)
        .map(|delegation| delegation.number)
        .collect();
    assert_eq!(numbers, [1]);

    // The good one does, and once it has revoked the first, that one's certificate is nobody's.
    let last = note(&|it| it.first_valid = 2);
    assert_eq!(show(&last).knock(kilo.keys.address).await.unwrap(), 9);
    let first = key_pair(&keys.tls(1));
    let mut params = honest(keys);
    let offer = |params: &CertificateParams| {
        Offer::of(Some(shown(vec![certificate(params, &first)], &first)))
    };
    let refusal = refused_by(&world, &offer(&params)).await;
    assert_eq!(refusal, Refusal::Certificate(unknown));
    let own = keys.delegation(1).to_string().into_bytes();
    params.custom_extensions.push(introducing(&own));
    let refusal = refused_by(&world, &offer(&params)).await;
    assert_eq!(refusal, Refusal::Certificate(introduction(Revoked)));
    // So is that of a delegation which expires while it is known.
    world.clock.advance(20 * DAY);
    let mut params = honest(keys);
    (params.not_before, params.not_after) = (at(NOW + 20 * DAY), at(NOW + 21 * DAY));
    let refusal = refused_by(
        &world,
        &Offer::of(Some(shown(vec![certificate(&params, &key)], &key))),
    )
    .await;
    assert_eq!(
        refusal,
        Refusal::Certificate(identity(IdentityError::Delegation(Expired)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dials_takes_nobody_but_the_member_that_it_called() {
    let world = World::with(Limits::default(), &["acme", "kilo", "lima"]).await;
    let acme = &world.nodes[0];
    // Somebody else answers at kilo's address.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let kilo = Keys::new("kilo", 32, address);
    let moved = roster(&[&acme.keys, &kilo, &world.nodes[2].keys]);
    acme.directory.set_roster(moved.clone());
    let lima = &world.nodes[2].endpoint;
    let _server = lima.serve(listener, Arc::new(Answers::new()));
    let error = acme.endpoint.dial(&kilo.name).await;
    let other = Refusal::Certificate(CertificateError::OtherMember);
    assert!(matches!(error, Err(DialError::Refused(refusal)) if refusal == other));

    // Somebody with kilo's name and a key of his own.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let thief = Keys::new("kilo", 99, listener.local_addr().unwrap());
    let delegation = thief.delegation(1);
    let thiefs = Endpoint::new(
        Directory::new(moved, Delegations::default()),
        thief.credentials_of(1, delegation),
        Limits::default(),
    )
    .with_clock(world.clock.handle());
    let _server = thiefs.serve(listener, Arc::new(Answers::new()));
    let kilo = Keys::new("kilo", 32, thief.address);
    acme.directory
        .set_roster(roster(&[&acme.keys, &kilo, &world.nodes[2].keys]));
    let error = acme.endpoint.dial(&kilo.name).await;
    let introduced = Refusal::Certificate(CertificateError::Introduction(
        DelegationError::OtherIdentity,
    ));
    assert!(matches!(error, Err(DialError::Refused(refusal)) if refusal == introduced));
}
