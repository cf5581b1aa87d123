package data

// sensitivity says how a resource is labelled.
type sensitivity uint8

const (
	ordinary sensitivity = iota
	psychiatric
	hiv
	substanceUse
	sexualHealth
	veryRestricted
)

const (
	labelR = `{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R","display":"restricted"}`
	labelV = `{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V","display":"very restricted"}`
)

// labels returns the security labels as JSON Codings, "" for an ordinary resource.
func (s sensitivity) labels() string {
	switch s {
	case ordinary:
		return ""
	case psychiatric:
		return labelR + `,{"system":"` + act + `","code":"PSY","display":"psychiatry disorder information sensitivity"}`
	case hiv:
		return labelR + `,{"system":"` + act + `","code":"HIV","display":"HIV/AIDS information sensitivity"}`
	case substanceUse:
		return labelR + `,{"system":"` + act + `","code":"ETH","display":"substance abuse information sensitivity"}`
	case sexualHealth:
		return labelR + `,{"system":"` + act + `","code":"SEX","display":"sexuality and reproductive health information sensitivity"}`
	case veryRestricted:
		return labelV
	}
	return labelV
}

// specialty is what a specialist does; the order is that of specialties.
type specialty uint8

const (
	cardiology specialty = iota
	endocrinology
	psychiatry
	infectiousDiseases
	pulmonology
	neurology
	generalPractice
)

// code is a code of the code system that its table is about.
type code struct{ code, display string }

type discipline struct{ role, field code }

func disciplines() []discipline {
	return []discipline{
		cardiology:         {code{"17561000", "Cardiologist"}, code{"394579002", "Cardiology"}},
		endocrinology:      {code{"61894003", "Endocrinologist"}, code{"394583002", "Endocrinology"}},
		psychiatry:         {code{"80584001", "Psychiatrist"}, code{"394587001", "Psychiatry"}},
		infectiousDiseases: {code{"76899008", "Infectious diseases physician"}, code{"394807007", "Infectious diseases (specialty)"}},
		pulmonology:        {code{"41672002", "Respiratory disease specialist"}, code{"418112009", "Pulmonary medicine"}},
		neurology:          {code{"56397003", "Neurologist"}, code{"394591006", "Neurology"}},
		generalPractice:    {code{"59058001", "General physician"}, code{"394814009", "General practice"}},
	}
}

// Age bands.
const (
	child = iota
	adult
	middleAged
	old
)

// test is a laboratory test that a condition asks for.
type test uint8

const (
	noTest test = iota
	testDiabetes
	testLipids
	testKidney
	testThyroid
	testBlood
	testHIV
	testMood
	testHeart
)

// chronic is a lasting condition.
type chronic struct {
	sct, icd    code
	perMille    [4]int // prevalence by age band
	label       sensitivity
	care        specialty
	test        test
	medications []medication
}

// medication is an RxNorm code with how it is taken.
type medication struct {
	rx       code
	sig      string
	unit     string // UCUM code of the dose
	dose     int
	perDay   int // 0: as needed
	duration int // days
}

func daily(rxcui, display string, dose, perDay int, sig string) medication {
	return medication{code{rxcui, display}, sig, "{tbl}", dose, perDay, 90}
}

func chronicConditions() []chronic { //nolint:funlen // a table
	return []chronic{
		{
			code{"59621000", "Essential hypertension"},
			code{"I10", "Essential (primary) hypertension"},
			[4]int{0, 80, 330, 600},
			ordinary, cardiology, testKidney,
			[]medication{daily("314076", "lisinopril 10 MG Oral Tablet", 1, 1, "Take one tablet every morning"), daily("197361", "amlodipine 5 MG Oral Tablet", 1, 1, "Take one tablet a day"), daily("310798", "hydrochlorothiazide 25 MG Oral Tablet", 1, 1, "Take one tablet every morning")},
		},
		{
			code{"44054006", "Diabetes mellitus type 2"},
			code{"E11.9", "Type 2 diabetes mellitus without complications"},
			[4]int{0, 30, 140, 240},
			ordinary, endocrinology, testDiabetes,
			[]medication{daily("861007", "metformin hydrochloride 500 MG Oral Tablet", 2, 2, "Take two tablets twice a day with meals")},
		},
		{
			code{"55822004", "Hyperlipidemia"},
			code{"E78.5", "Hyperlipidemia, unspecified"},
			[4]int{0, 70, 300, 420},
			ordinary, cardiology, testLipids,
			[]medication{daily("617310", "atorvastatin 20 MG Oral Tablet", 1, 1, "Take one tablet in the evening"), daily("312961", "simvastatin 20 MG Oral Tablet", 1, 1, "Take one tablet in the evening")},
		},
		{
			code{"195967001", "Asthma"},
			code{"J45.909", "Unspecified asthma, uncomplicated"},
			[4]int{85, 70, 60, 50},
			ordinary, pulmonology, noTest,
			[]medication{{code{"745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"}, "Two puffs when wheezing", "{puff}", 2, 0, 90}, {code{"895994", "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler"}, "Two puffs morning and evening", "{puff}", 2, 2, 90}},
		},
		{
			code{"13645005", "Chronic obstructive lung disease"},
			code{"J44.9", "Chronic obstructive pulmonary disease, unspecified"},
			[4]int{0, 5, 60, 120},
			ordinary, pulmonology, noTest,
			[]medication{{code{"485032", "tiotropium 0.018 MG Inhalation Powder"}, "Inhale one capsule every morning", "{capsule}", 1, 1, 90}},
		},
		{
			code{"40930008", "Hypothyroidism"},
			code{"E03.9", "Hypothyroidism, unspecified"},
			[4]int{2, 30, 60, 100},
			ordinary, endocrinology, testThyroid,
			[]medication{daily("892246", "levothyroxine sodium 0.1 MG Oral Tablet", 1, 1, "Take one tablet on an empty stomach")},
		},
		{code{"433144002", "Chronic kidney disease stage 3"}, code{"N18.30", "Chronic kidney disease, stage 3 unspecified"}, [4]int{0, 3, 40, 160}, ordinary, cardiology, testKidney, nil},
		{
			code{"84114007", "Heart failure"},
			code{"I50.9", "Heart failure, unspecified"},
			[4]int{0, 1, 20, 95},
			ordinary, cardiology, testHeart,
			[]medication{daily("313988", "furosemide 40 MG Oral Tablet", 1, 1, "Take one tablet every morning"), daily("866436", "24 HR metoprolol succinate 50 MG Extended Release Oral Tablet", 1, 1, "Take one tablet every morning")},
		},
		{
			code{"49436004", "Atrial fibrillation"},
			code{"I48.91", "Unspecified atrial fibrillation"},
			[4]int{0, 2, 25, 90},
			ordinary, cardiology, noTest,
			[]medication{daily("1364445", "apixaban 5 MG Oral Tablet", 1, 2, "Take one tablet twice a day")},
		},
		{
			code{"239873007", "Osteoarthritis of knee"},
			code{"M17.9", "Osteoarthritis of knee, unspecified"},
			[4]int{0, 10, 110, 260},
			ordinary, generalPractice, noTest,
			[]medication{{code{"197806", "ibuprofen 600 MG Oral Tablet"}, "One tablet with food when in pain", "{tbl}", 1, 0, 30}},
		},
		{
			code{"87522002", "Iron deficiency anemia"},
			code{"D50.9", "Iron deficiency anemia, unspecified"},
			[4]int{20, 45, 30, 60},
			ordinary, generalPractice, testBlood,
			[]medication{daily("310325", "ferrous sulfate 325 MG Oral Tablet", 1, 1, "Take one tablet with orange juice")},
		},
		{
			code{"37796009", "Migraine"},
			code{"G43.909", "Migraine, unspecified, not intractable, without status migrainosus"},
			[4]int{20, 110, 80, 30},
			ordinary, neurology, noTest,
			[]medication{{code{"313161", "sumatriptan 50 MG Oral Tablet"}, "One tablet at the start of an attack", "{tbl}", 1, 0, 90}},
		},
		{
			code{"84757009", "Epilepsy"},
			code{"G40.909", "Epilepsy, unspecified, not intractable, without status epilepticus"},
			[4]int{7, 8, 9, 14},
			ordinary, neurology, noTest,
			[]medication{daily("311289", "levetiracetam 500 MG Oral Tablet", 2, 2, "Take two tablets twice a day")},
		},
		{
			code{"235595009", "Gastroesophageal reflux disease"},
			code{"K21.9", "Gastro-esophageal reflux disease without esophagitis"},
			[4]int{5, 70, 130, 160},
			ordinary, generalPractice, noTest,
			[]medication{{code{"198051", "omeprazole 20 MG Delayed Release Oral Capsule"}, "Take one capsule before breakfast", "{capsule}", 1, 1, 90}},
		},
		{
			code{"370143000", "Major depressive disorder"},
			code{"F32.9", "Major depressive disorder, single episode, unspecified"},
			[4]int{12, 75, 70, 45},
			psychiatric, psychiatry, testMood,
			[]medication{daily("312941", "sertraline 50 MG Oral Tablet", 1, 1, "Take one tablet every morning")},
		},
		{
			code{"197480006", "Anxiety disorder"},
			code{"F41.9", "Anxiety disorder, unspecified"},
			[4]int{15, 60, 45, 25},
			psychiatric, psychiatry, testMood,
			[]medication{daily("349332", "escitalopram 10 MG Oral Tablet", 1, 1, "Take one tablet every morning")},
		},
		{
			code{"13746004", "Bipolar disorder"},
			code{"F31.9", "Bipolar disorder, unspecified"},
			[4]int{0, 9, 8, 4},
			psychiatric, psychiatry, testMood,
			[]medication{daily("312743", "quetiapine 100 MG Oral Tablet", 1, 1, "Take one tablet at night")},
		},
		{
			code{"86406008", "Human immunodeficiency virus infection"},
			code{"B20", "Human immunodeficiency virus [HIV] disease"},
			[4]int{0, 6, 7, 2},
			hiv, infectiousDiseases, testHIV,
			[]medication{daily("1999667", "bictegravir 50 MG / emtricitabine 200 MG / tenofovir alafenamide 25 MG Oral Tablet", 1, 1, "Take one tablet a day")},
		},
		{
			code{"66590003", "Alcohol dependence"},
			code{"F10.20", "Alcohol dependence, uncomplicated"},
			[4]int{0, 25, 30, 12},
			substanceUse, psychiatry, noTest,
			[]medication{daily("1483744", "naltrexone hydrochloride 50 MG Oral Tablet", 1, 1, "Take one tablet a day")},
		},
		{
			code{"75544000", "Opioid dependence"},
			code{"F11.20", "Opioid dependence, uncomplicated"},
			[4]int{0, 12, 8, 2},
			substanceUse, psychiatry, noTest,
			[]medication{daily("351267", "buprenorphine 8 MG / naloxone 2 MG Sublingual Tablet", 2, 1, "Two tablets under the tongue every morning")},
		},
		{
			code{"26929004", "Alzheimer's disease"},
			code{"G30.9", "Alzheimer's disease, unspecified"},
			[4]int{0, 0, 2, 75},
			ordinary, neurology, noTest,
			[]medication{daily("997223", "donepezil hydrochloride 10 MG Oral Tablet", 1, 1, "Take one tablet at bedtime")},
		},
	}
}

// acute is a condition that comes and goes.
type acute struct {
	sct, icd  code
	minAge    int
	maxAge    int
	label     sensitivity
	fever     bool
	treatment medication
}

func acuteConditions() []acute {
	none := medication{}
	paracetamol := medication{code{"313782", "acetaminophen 325 MG Oral Tablet"}, "Two tablets when in pain or feverish", "{tbl}", 2, 0, 7}
	return []acute{
		{code{"195662009", "Acute viral pharyngitis"}, code{"J02.8", "Acute pharyngitis due to other specified organisms"}, 2, 99, ordinary, true, paracetamol},
		{code{"444814009", "Viral sinusitis"}, code{"J01.90", "Acute sinusitis, unspecified"}, 5, 99, ordinary, false, paracetamol},
		{
			code{"65363002", "Otitis media"},
			code{"H66.90", "Otitis media, unspecified, unspecified ear"},
			0, 12, ordinary, true,
			medication{code{"308189", "amoxicillin 80 MG/ML Oral Suspension"}, "5 mL twice a day for ten days", "mL", 5, 2, 10},
		},
		{code{"10509002", "Acute bronchitis"}, code{"J20.9", "Acute bronchitis, unspecified"}, 1, 99, ordinary, true, none},
		{code{"6142004", "Influenza"}, code{"J11.1", "Influenza due to unidentified influenza virus with other respiratory manifestations"}, 1, 99, ordinary, true, paracetamol},
		{
			code{"279039007", "Low back pain"},
			code{"M54.50", "Low back pain, unspecified"},
			18, 99, ordinary, false,
			medication{code{"197806", "ibuprofen 600 MG Oral Tablet"}, "One tablet three times a day with food", "{tbl}", 1, 3, 7},
		},
		{
			code{"233604007", "Pneumonia"},
			code{"J18.9", "Pneumonia, unspecified organism"},
			0, 99, ordinary, true,
			medication{code{"308191", "amoxicillin 500 MG Oral Capsule"}, "Take one capsule three times a day", "{capsule}", 1, 3, 7},
		},
		{
			code{"105629000", "Chlamydial infection"},
			code{"A56.8", "Sexually transmitted chlamydial infection of other sites"},
			16, 50, sexualHealth, false,
			medication{code{"1649988", "doxycycline hyclate 100 MG Oral Capsule"}, "Take one capsule twice a day", "{capsule}", 1, 2, 7},
		},
	}
}

// allergen is a substance with its category in AllergyIntolerance.
type allergen struct {
	substance     code
	category      string
	manifestation code
}

func allergens() []allergen {
	hives, rash := code{"126485001", "Urticaria"}, code{"271807003", "Eruption of skin"}
	return []allergen{
		{code{"764146007", "Penicillin"}, "medication", hives},
		{code{"387406002", "Sulfonamide"}, "medication", rash},
		{code{"387458008", "Aspirin"}, "medication", hives},
		{code{"762952008", "Peanut"}, "food", code{"39579001", "Anaphylaxis"}},
		{code{"102263004", "Eggs"}, "food", hives},
		{code{"111088007", "Latex"}, "environment", rash},
		{code{"260147004", "House dust mite"}, "environment", code{"49727002", "Cough"}},
		{code{"256277009", "Grass pollen"}, "environment", code{"267036007", "Dyspnea"}},
	}
}
