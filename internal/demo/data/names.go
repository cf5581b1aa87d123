package data

// The names are common ones put together by chance; the places don't exist.

func femaleNames() []string {
	return []string{
		"Ada", "Alma", "Beatriz", "Bianca", "Camila", "Clara", "Delphine", "Dina", "Edith", "Elif", "Esther", "Freya", "Greta", "Hanna", "Ines", "Iris", "Joana", "Judith", "Kaya", "Layla",
		"Leonie", "Lucia", "Marta", "Meera", "Nadia", "Noemi", "Olga", "Petra", "Quinn", "Rosa", "Selma", "Signe", "Tamar", "Thea", "Ulla", "Vera", "Wanda", "Xenia", "Yara", "Zoe",
	}
}

func maleNames() []string {
	return []string{
		"Aaron", "Akira", "Anton", "Bruno", "Caleb", "Carlos", "Dario", "Dmitri", "Elias", "Emil", "Felix", "Filip", "Gideon", "Hugo", "Ibrahim", "Ivan", "Jonas", "Julio", "Karl", "Kofi",
		"Lars", "Leon", "Mateo", "Milan", "Nils", "Omar", "Otto", "Pablo", "Rafael", "Ravi", "Samir", "Simon", "Tariq", "Theo", "Ulrich", "Victor", "Walter", "Yusuf", "Zane", "Zeno",
	}
}

func familyNames() []string {
	return []string{
		"Abbott", "Almeida", "Andersen", "Barros", "Bauer", "Bianchi", "Brandt", "Castillo", "Chen", "Costa", "Dahl", "Delgado", "Duarte", "Eriksen", "Farkas", "Ferrari", "Fischer", "Fontaine", "Garcia", "Grant",
		"Haugen", "Hernandez", "Holm", "Hussain", "Ito", "Jansen", "Joshi", "Kaplan", "Keller", "Kovac", "Larsen", "Laurent", "Lopez", "Mancini", "Martin", "Mbeki", "Meyer", "Moreno", "Nakata", "Navarro",
		"Nguyen", "Novotny", "Okeke", "Olsen", "Ortiz", "Park", "Pereira", "Popov", "Quist", "Ramos", "Rossi", "Sato", "Schmidt", "Silva", "Singh", "Sorensen", "Tanner", "Ueda", "Vega", "Wagner",
		"Walsh", "Weber", "Yilmaz", "Zeller",
	}
}

func streets() []string {
	return []string{"Alder Lane", "Anchor Street", "Beacon Hill Road", "Birch Avenue", "Cannery Street", "Chapel Row", "College Hill", "Dock Road", "Fisher Street", "Gull Terrace", "Harbor Way", "Ivy Court", "Lighthouse Road", "Mill Pond Lane", "Orchard Row", "Pine Court", "Quay Street", "Signal Street", "Tannery Lane", "Vicarage Close"}
}

// town is a place with its postal code.
type town struct{ name, postalCode string }

func towns() []town {
	return []town{{"Harwick Cove", "02998"}, {"Stonehaven Point", "02997"}, {"Eastgate", "02996"}, {"Lakeside", "02995"}, {"Millbrook Falls", "02994"}, {"Northfield Bay", "02993"}, {"Quarry Hill", "02992"}, {"Westerly Marsh", "02991"}}
}

// noteSentences are what clinicians write under a value.
func noteSentences() []string {
	return []string{
		"Taken at rest, sitting.", "Repeated after five minutes.", "Patient came by bicycle and was a little out of breath.", "As at the last visit.",
		"Says that readings at home are lower.", "Cuff for large arms used.", "Fasting since last evening.", "To be repeated at the next visit.",
	}
}

// historySentences are what clinicians write under a condition.
func historySentences() []string {
	return []string{
		"Runs in the family.", "Found by chance at a check-up.", "Much better with treatment.", "Comes and goes with the seasons.", "Knows what to watch for.",
		"Asked for a second opinion, which agreed.", "Keeps a diary.", "Affects the work at times.",
	}
}

// reportSentences make up the text of a document.
func reportSentences() []string {
	return []string{
		"Comes for the agreed visit and feels well.", "Sleeps well, appetite unchanged, no weight loss.", "No chest pain, no shortness of breath on the stairs.",
		"Takes the medicines as prescribed and knows what they are for.", "Lungs clear, heart sounds regular, no edema.", "Abdomen soft, no tenderness.",
		"Works part time and walks for half an hour on most days.", "We went through the results together.", "Side effects were explained and a leaflet was given.",
		"Family is well informed and helps at home.", "Vaccinations are up to date.", "Next visit in six months, sooner if anything changes.",
		"Neurological examination without new findings.", "Skin without suspicious changes.", "Blood was taken, results will be sent.", "Asked to keep a diary of readings until the next visit.",
	}
}
