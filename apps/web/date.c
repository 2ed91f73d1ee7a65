/* HTTP's dates (RFC 9110 5.6.7). Days are counted as in Hinnant's "chrono-compatible low-level date algorithms". */
#include "http.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400

static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int64_t days_from(int64_t y, int64_t m, int64_t d)
{
	int64_t era, year;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	year = y - era * 400;
	return era * 146097 + year * 365 + year / 4 - year / 100 + (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1 - 719468;
}

static void put2(char *to, int64_t v)
{
	to[0] = (char)('0' + v / 10 % 10);
	to[1] = (char)('0' + v % 10);
}

void http_date(int64_t seconds, char *to)
{
	int64_t day = seconds / DAY, left = seconds % DAY, z = day + 719468, era = z / 146097, of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365, of_year = of_era - (365 * y + y / 4 - y / 100), mp = (5 * of_year + 2) / 153;
	int64_t m = mp < 10 ? mp + 3 : mp - 9;

	y += era * 400 + (m <= 2);
	memcpy(to, "Thu, 00 Jan 0000 00:00:00 GMT", HTTP_DATE + 1);
	memcpy(to, days + day % 7 * 3, 3);
	put2(to + 5, of_year - (153 * mp + 2) / 5 + 1);
	memcpy(to + 8, months + (m - 1) * 3, 3);
	put2(to + 12, y / 100);
	put2(to + 14, y);
	put2(to + 17, left / 3600);
	put2(to + 20, left / 60 % 60);
	put2(to + 23, left % 60);
}

static int64_t month_of(const char *name)
{
	for (int i = 0; i < 12; i++)
		if (memcmp(months + i * 3, name, 3) == 0)
			return i + 1;
	return 0;
}

int64_t http_time(struct http_text text)
{
	char copy[64], month[4] = "", zone[4] = "";
	int d = 0, y = 0, h = 0, m = 0, s = 0, end = 0;
	int64_t number;

	if (text.length >= sizeof(copy) || memchr(text.at, 0, text.length))
		return -1;
	memcpy(copy, text.at, text.length);
	copy[text.length] = 0;
	if (sscanf(copy, "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d %3s%n", &d, month, &y, &h, &m, &s, zone, &end) == 7) {
		;
	} else if (sscanf(copy, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d %3s%n", &d, month, &y, &h, &m, &s, zone, &end) == 7) {
		y += y < 70 ? 2000 : 1900;
	} else if (sscanf(copy, "%*3[A-Za-z] %3s %2d %2d:%2d:%2d %4d%n", month, &d, &h, &m, &s, &y, &end) == 6) {
		strcpy(zone, "GMT");
	} else {
		return -1;
	}
	number = month_of(month);
	if (strlen(month) != 3 || !number || strcmp(zone, "GMT") || (size_t)end != text.length || d < 1 || d > 31 || y < 1970 || h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60)
		return -1;
	return days_from(y, number, d) * DAY + h * 3600 + m * 60 + s;
}
