// Package data is the synthetic clinical data of the demo, the tests and the benchmarks: twenty hand-made stories
// ([Stories]), the people who can sign in ([People]), and a generator of any number of patients ([Generate]). Everybody in
// it is fictional: social security numbers are of area 000 and telephone numbers of area 555, which are never issued, mail
// goes to example domains, the towns don't exist.
//
// All of it is R4 as a real server takes it: the tests hold every resource against the definitions (elements,
// cardinalities, types, formats, required codes, targets of references) and demand that each comes after those that it
// refers to, by its references or by the URL of an attachment. Time ends in June 2025.
//
// # The stories
//
// They are NDJSON in the folder stories/, one file a patient, read in the order of storyOrder: shared.ndjson (North Harbor
// Health with its clinic, hospital, laboratory, research institute and Lakeside Behavioral Health; Eastgate Medical Group,
// which isn't part of it; 14 physicians, a nurse, a researcher, a registrar and an administrator) before them, groups.ndjson after them.
// Ids are readable: Patient/anna-berg, Observation/anna-berg-bp-1, Condition/anna-berg-cond-depression,
// DocumentReference/anna-berg-doc-2024-visit with Binary/anna-berg-doc-2024-visit-content.
//
//	anna-berg         41, teacher: hypertension, hypothyroidism; a depression in 2016 that is over (R, PSY)
//	george-whitfield  83, heart failure; his daughter Helen cares for him and has his consent
//	leo-lind          9, asthma and a peanut allergy; his mother is Maria, his father has had no say since 2021
//	maria-lind        38, mother of Leo, a patient herself: a birth in 2025, an infection in 2012 (R, SEX)
//	marcus-reid       46, HIV (R, HIV), which he lets only Dr. O'Neill see; Dr. Okafor treats a burn
//	sofia-marchetti   32, bipolar disorder (R, PSY; a note V, PSY); takes no part in research
//	james-oyelaran    55, alcohol dependence in remission (R, ETH), not to be disclosed
//	ruth-abernathy    86, Alzheimer's disease; her son Peter cares for her, a neighbor did until 2023
//	noah-adeyemi      1, a twin, two parents
//	mia-tanaka        16, ADHD; a consultation that her mother isn't to see (V, SEX), anxiety (R, PSY)
//	daniel-cohen      67, diabetes; Dr. Okafor is in his team, but a Consent keeps him out
//	priya-raman       50, breast cancer in remission
//	oskar-nilsen      58, COPD; a depression (R, PSY)
//	elena-petrova     71, arthritis; Dr. Okafor's team is still "active" but its period ended in 2023
//	samuel-kim        26, diabetes of type 1
//	fatima-elsayed    36, epilepsy; an encounter in progress
//	thomas-gray       75, Parkinson's disease, died in 2024
//	carol-jennings    47, known from television: everything is V; takes no part in research
//	luis-ortega       37, no home and no general practitioner: opioid dependence (R, ETH), PTSD (R, PSY)
//	henry-novak       62, dialysis; Dr. Okafor's team is inactive since 2023
//
// Who is whose: Dr. Okafor has Anna (general practitioner, team), George (team), Marcus (an open encounter) and, but for the
// Consent, Daniel; not Elena and Henry, whose teams with him ended. Dr. Haas has Sofia and Luis; her team for Anna ended
// in 2018. Helen Whitfield, Peter Abernathy, Maria Lind, Funmi and Kola Adeyemi, Yuki Tanaka and Margaret Gray are
// RelatedPersons with a right today, Diego Torres and Imelda Doyle were. Group/research-cohort has those who agreed to
// research.
//
// The package may import the standard library only.
package data
