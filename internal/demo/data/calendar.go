package data

// day counts days since 1970-01-01.
type day int

// today is the day on which the generated histories end (2025-06-30). The generator knows no other clock.
const today day = 20269

const daysInYear = 365

// civil is the proleptic Gregorian date of a day (Hinnant, chrono-compatible low-level date algorithms).
func (d day) civil() (year, month, dayOfMonth int) {
	z := int(d) + 719468
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	dayOfMonth = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, dayOfMonth
}

// appendDate appends a FHIR date.
func appendDate(dst []byte, d day) []byte {
	year, month, dayOfMonth := d.civil()
	dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-')
	dst = append(dst, byte('0'+month/10), byte('0'+month%10), '-')
	return append(dst, byte('0'+dayOfMonth/10), byte('0'+dayOfMonth%10))
}

// appendInstant appends a FHIR instant, minutes after the midnight of the day.
func appendInstant(dst []byte, d day, minutes int) []byte {
	d += day(minutes / (24 * 60))
	minutes %= 24 * 60
	dst = append(appendDate(dst, d), 'T')
	hour, minute := minutes/60, minutes%60
	dst = append(dst, byte('0'+hour/10), byte('0'+hour%10), ':', byte('0'+minute/10), byte('0'+minute%10))
	return append(dst, ":00-05:00"...)
}
